//! The warm path at 32 connections: through the activator, straight to the server, through nginx.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, wait};

use crate::{Wanted, load, platform, service};

const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

pub(crate) fn run(_: &Wanted) -> anyhow::Result<()> {
    let platform = platform()?;
    platform.kubectl().apply(&service("warm", "autoscaling.knative.dev/max-scale: \"1\""))?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=30s ksvc/warm")?;
    let server = server_address(&platform)?;
    let cores = std::thread::available_parallelism()?.get();
    let mut peers = Vec::new();
    for workers in [1, cores] {
        match Nginx::start(server, workers) {
            Ok(nginx) => peers.push(nginx),
            Err(error) => println!("nginx: not measured: {error:#}"),
        }
    }
    println!(
        "{CONNECTIONS} connections, {} s each, {ROUNDS} rounds; load, proxy and server share the machine",
        TIME.as_secs()
    );
    for _ in 0..ROUNDS {
        report("through the activator", platform.http, &platform.host("warm"), &[platform.pid()])?;
        for nginx in &peers {
            let what = format!("through nginx, {} worker(s)", nginx.workers);
            report(&what, nginx.address, "x", &nginx.processes()?)?;
        }
        report("straight to the server", server, "x", &[])?;
    }
    Ok(())
}

/// `processes` are those whose CPU time is the proxy's.
fn report(what: &str, address: SocketAddr, host: &str, processes: &[u32]) -> anyhow::Result<()> {
    let cpu_seconds = || processes.iter().map(|pid| cpu_seconds(*pid)).sum::<anyhow::Result<f64>>();
    let before = cpu_seconds()?;
    let result = load::run(address, host, CONNECTIONS, TIME)?;
    let used = cpu_seconds()? - before;
    let cpu = if processes.is_empty() {
        String::new()
    } else {
        let a_request = used * 1e6 / (result.per_second * TIME.as_secs_f64());
        format!("{a_request:>6.1} µs CPU a request")
    };
    println!(
        "{what:<30} {:>8.0} a second   p50 {:>6.2} ms   p99 {:>6.2} ms   {cpu}",
        result.per_second,
        result.latency_ms.quantile(0.5),
        result.latency_ms.quantile(0.99)
    );
    Ok(())
}

/// User and system time of a process.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // A tick is 10 ms on every Linux that this runs on.
    Ok(ticks / 100.0)
}

fn server_address(platform: &Platform) -> anyhow::Result<SocketAddr> {
    let pods = platform.kubectl().json("get pods")?;
    let text = pods["items"][0]["metadata"]["annotations"]["rouse.dev/address"]
        .as_str()
        .context("a pod's address")?;
    let ports: std::collections::BTreeMap<String, SocketAddr> = serde_json::from_str(text)?;
    ports.into_values().next().context("a port")
}

/// A reverse proxy with kept connections to the server.
struct Nginx {
    child: Child,
    workers: usize,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Nginx {
    fn start(server: SocketAddr, workers: usize) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let d = dir.path().display();
        let config = format!(
            "daemon off; worker_processes {workers}; pid {d}/pid; error_log {d}/error;\nevents {{ worker_connections 1024; }}\nhttp {{ access_log off; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;\n  keepalive_requests 1000000;\n  upstream app {{ server {server}; keepalive 64; keepalive_requests 1000000; }}\n  server {{ listen {address}; location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
        );
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start nginx")?;
        let nginx = Self { child, workers, address, _dir: dir };
        wait::until("nginx", Duration::from_secs(5), || {
            std::net::TcpStream::connect(address).map(drop).map_err(|e| e.to_string())
        })?;
        Ok(nginx)
    }

    /// The processes that proxy.
    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(children.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends the workers when it is asked to end, not when it is killed.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _reaped = self.child.wait();
    }
}

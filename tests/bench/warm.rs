//! The warm path at 32 connections: through the activator, straight to the server, through nginx.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::{Platform, load, wait};

use crate::setup::{Wanted, platform, service};
use crate::stats::Samples;

const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_secs(2);

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
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
        "{CONNECTIONS} connections, {} rounds of {} s each in turn; load, proxy and server share the machine",
        wanted.runs,
        TIME.as_secs()
    );
    let mut rows = vec![Row::new(
        "through the activator",
        platform.http,
        platform.host("warm"),
        vec![platform.pid()],
    )];
    for nginx in &peers {
        let what = format!("through nginx, {} worker(s)", nginx.workers);
        rows.push(Row::new(&what, nginx.address, "x".to_owned(), nginx.processes()?));
    }
    rows.push(Row::new("straight to the server", server, "x".to_owned(), Vec::new()));
    for _ in 0..wanted.runs {
        for row in &mut rows {
            row.measure()?;
        }
    }
    for row in &rows {
        row.print();
    }
    Ok(())
}

/// One path to the server, and the results of its rounds.
struct Row {
    what: String,
    address: SocketAddr,
    host: String,
    /// The processes of the proxy.
    processes: Vec<u32>,
    per_second: Samples,
    p50: Samples,
    p99: Samples,
    cpu: Samples,
}

impl Row {
    fn new(what: &str, address: SocketAddr, host: String, processes: Vec<u32>) -> Self {
        let [per_second, p50, p99, cpu] = std::array::from_fn(|_| Samples::default());
        Self { what: what.to_owned(), address, host, processes, per_second, p50, p99, cpu }
    }

    fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.processes.iter().map(|pid| cpu_seconds(*pid)).sum()
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        let before = self.cpu_seconds()?;
        let result = load::run(self.address, &self.host, CONNECTIONS, TIME)?;
        let used = self.cpu_seconds()? - before;
        self.per_second.add(result.per_second);
        let mut latencies = Samples::default();
        result.latencies.into_iter().for_each(|took| latencies.add_ms(took));
        self.p50.add(latencies.quantile(0.5));
        self.p99.add(latencies.quantile(0.99));
        self.cpu.add(used * 1e6 / (result.per_second * TIME.as_secs_f64()));
        Ok(())
    }

    /// Medians over the rounds; of the throughput also the value that 95 % of them reach.
    fn print(&self) {
        let cpu = if self.processes.is_empty() {
            String::new()
        } else {
            format!("{:>6.1} µs CPU a request", self.cpu.quantile(0.5))
        };
        println!(
            "{:<30} {:>8.0} a second (95 %: {:>8.0})   p50 {:>6.2} ms   p99 {:>6.2} ms   {cpu}",
            self.what,
            self.per_second.quantile(0.5),
            self.per_second.quantile(0.05),
            self.p50.quantile(0.5),
            self.p99.quantile(0.5),
        );
    }
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

    /// The worker processes.
    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(children.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers on SIGTERM, not on SIGKILL.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _reaped = self.child.wait();
    }
}

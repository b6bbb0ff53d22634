//! Ways from programs of this machine to a Service: `rouse proxy`, `rouse call`, other domains.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rouse_tests::{Platform, http, platform};
use serde_json::Value;

use crate::fixtures::{Ended, IMAGE, platform as with_image, server};

const TIMEOUT: Duration = Duration::from_secs(30);

/// `rouse proxy …`, which ends with the test.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    fn start(platform: &Platform, line: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = platform.rouse_command(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut said = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut said)?;
        let address = said.split_whitespace().next().and_then(|url| url.strip_prefix("http://"));
        let address = address.and_then(|address| address.parse().ok());
        let Some(address) = address else {
            child.kill()?;
            anyhow::bail!("rouse {line} said {said:?}");
        };
        Ok(Self { child, address })
    }

    fn get(&self, path: &str) -> anyhow::Result<http::Answer> {
        http::send(self.address, &self.address.to_string(), path, None)
    }

    fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(stream)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

#[test]
fn a_proxy_gives_programs_a_service_at_an_address_of_this_machine() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE} --env VERSION=1"))?;
    platform.rouse_ok("deploy shop --env VERSION=2 --no-traffic --tag next")?;
    let proxy = Proxy::start(&platform, "proxy shop --port 0 --token secret")?;
    ensure!(proxy.get("/")?.body == "version 1 of shop-00001");
    let seen = proxy.get("/headers")?.body;
    let host = format!("host: {}\n", platform.host("shop"));
    ensure!(seen.contains(&host) && seen.contains("authorization: Bearer secret\n"), "{seen}");
    let posted = http::send(proxy.address, "x", "/echo", Some("a body"))?;
    ensure!(posted.body == "a body", "{posted:?}");

    // The first part arrives long before the last one is made.
    let mut stream = proxy.connect()?;
    stream.write_all(b"GET /stream/1000/50 HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.find(|line| line.as_ref().map_or(true, |l| l.starts_with("chunk")));
    ensure!(first.context("an answer")?? == "chunk 0");

    let mut stream = proxy.connect()?;
    stream.write_all(
        b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    )?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(reader.read_line(&mut head)? > 0, "{head}");
    }
    ensure!(head.starts_with("HTTP/1.1 101") && head.contains("upgrade: echo"), "{head}");
    for said in [b"ping", b"pong"] {
        stream.write_all(said)?;
        let mut heard = [0; 4];
        reader.read_exact(&mut heard)?;
        ensure!(heard == *said, "{heard:?}");
    }

    let tagged = Proxy::start(&platform, "proxy shop --port 0 --tag next")?;
    ensure!(tagged.get("/")?.body == "version 2 of shop-00002");
    let of_revision = Proxy::start(&platform, "proxy shop --port 0 --revision shop-00002")?;
    ensure!(of_revision.get("/")?.body == "version 2 of shop-00002");
    let taken = format!("proxy shop --port {}", proxy.address.port());
    let refused = platform.rouse_ok(&taken).err().context("a port that is taken")?.to_string();
    ensure!(refused.contains("is taken by another program"), "{refused}");
    Ok(())
}

#[test]
fn a_proxy_reaches_a_cluster_local_service() -> anyhow::Result<()> {
    let platform = with_image()?;
    let label = "networking.knative.dev/visibility=cluster-local";
    platform.rouse_ok(&format!("deploy inner --image {IMAGE} -l {label}"))?;
    let proxy = Proxy::start(&platform, "proxy inner -p 0")?;
    ensure!(proxy.get("/env/K_SERVICE")?.body == "inner");
    Ok(())
}

#[test]
fn a_call_sends_events_and_many_requests() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE}"))?;
    let seen = platform.rouse_ok("call shop /headers --event shop.order -d {\"n\":1}")?;
    for line in ["ce-type: shop.order", "ce-specversion: 1.0", "content-type: application/json"] {
        ensure!(seen.lines().any(|l| l == line), "{line} in {seen}");
    }
    ensure!(seen.contains("ce-id: ") && seen.contains("ce-source: "), "{seen}");
    ensure!(platform.rouse_ok("call shop /echo --event shop.order")? == "{}");
    let many = platform.rouse_ok("call shop --count 20 --parallel 4 -o json")?;
    let many: Value = serde_json::from_str(&many)?;
    ensure!(many["byRevision"]["shop-00001"] == 20 && many["byStatus"]["200"] == 20, "{many}");
    platform.rouse_ok("call shop /fail")?;
    let failed = platform.rouse(&["call", "shop", "/ready", "-c", "3"])?;
    let said = String::from_utf8_lossy(&failed.stderr);
    ensure!(said.contains("3 of 3 requests were not answered well"), "{said}");
    Ok(())
}

/// `rouse` with a data directory of its own.
fn rouse(dir: &Path, line: &str) -> anyhow::Result<String> {
    let output = Command::new(platform::binary())
        .args(line.split_whitespace())
        .arg("--data-dir")
        .arg(dir)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rouse {line} ended with {}: {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_domain_of_urls_is_one_that_leads_to_the_gateway() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data");
    let _ended = Ended(&dir);
    let up = "up -d --runtime process --api-port 0 --http-port 0 --admin-port 0";
    // On all addresses a machine without a network has none that others reach.
    for (more, domain) in [
        (" --bind 127.0.0.3", "127.0.0.3.sslip.io"),
        (" --bind 127.0.0.3 --domain Models.Example", "models.example"),
        ("", "localhost"),
    ] {
        let said = rouse(&dir, &format!("{up}{more}"))?;
        ensure!(said.contains(&format!("NAME.NAMESPACE.{domain}:")), "{said}");
        if domain == "localhost" {
            ensure!(!said.contains("URLs end in"), "{said}");
        } else {
            ensure!(said.contains(&format!("URLs end in {domain}")), "{said}");
        }
        if more.ends_with("3") {
            let server = server().display().to_string();
            rouse(&dir, &format!("build {server} --image {IMAGE}"))?;
            rouse(&dir, &format!("deploy shop --image {IMAGE}"))?;
        }
        let listed: Value = serde_json::from_str(&rouse(&dir, "list -o json")?)?;
        let url = listed[0]["status"]["url"].as_str().context("a URL")?;
        ensure!(url.starts_with(&format!("http://shop.default.{domain}:")), "{url}");
        ensure!(rouse(&dir, "call shop /env/K_SERVICE")? == "shop", "{domain}");
        rouse(&dir, "down")?;
    }
    Ok(())
}

//! Scaling down as requests see it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use rouse_tests::{Platform, wait};

use crate::fixtures::{platform, service};

/// A request whose answer goes on for minutes, a line every tenth of a second.
struct Endless(BufReader<TcpStream>);

impl Endless {
    /// Returns once a pod answers.
    fn start(platform: &Platform, name: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(platform.http)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(stream, "GET /stream/3000/100 HTTP/1.1\r\nHost: {}\r\n\r\n", platform.host(name))?;
        let mut endless = Self(BufReader::new(stream));
        endless.read_chunk()?;
        Ok(endless)
    }

    fn read_chunk(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        while !line.starts_with("chunk ") {
            line.clear();
            anyhow::ensure!(self.0.read_line(&mut line)? > 0, "the answer ended");
        }
        Ok(line)
    }
}

fn pods(platform: &Platform) -> anyhow::Result<Vec<String>> {
    let names = platform.kubectl().run("get pods -o name")?;
    Ok(names.lines().map(str::to_owned).collect())
}

#[test]
fn kubectl_sees_the_idle_pod_go_and_the_busy_one_stay() -> anyhow::Result<()> {
    let platform = platform()?;
    let one_each = [
        ("autoscaling.knative.dev/window", "6s"),
        ("autoscaling.knative.dev/target-utilization-percentage", "100"),
    ];
    let manifest = service("busy", &[], &one_each) + "      containerConcurrency: 1\n";
    platform.kubectl().apply(&manifest)?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=30s ksvc/busy")?;
    let first = Endless::start(&platform, "busy")?;
    let old = pods(&platform)?;
    anyhow::ensure!(old.len() == 1, "one request needs one pod: {old:?}");
    // Finds the only slot taken, and gets a pod of its own: the younger one, which is what a
    // ReplicaSet would delete.
    let mut second = Endless::start(&platform, "busy")?;
    let both = pods(&platform)?;
    anyhow::ensure!(both.len() == 2, "two requests need two pods: {both:?}");
    drop(first);
    let left = wait::until("the end of a pod", Duration::from_secs(60), || {
        let left = pods(&platform).map_err(|error| error.to_string())?;
        if left.len() == 1 { Ok(left) } else { Err(format!("{left:?}")) }
    })?;
    assert_ne!(left, old, "the idle pod went, though it is the older: {}", platform.log());
    for _ in 0..5 {
        second.read_chunk()?;
    }
    let why = platform.rouse_ok("explain busy")?;
    assert!(why.contains("2 → 1"), "{why}");
    Ok(())
}

#[test]
fn kubectl_changes_the_autoscalers_settings_under_a_running_revision() -> anyhow::Result<()> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.apply(&service("live", &[], &[]))?;
    kubectl.run("wait --for=condition=Ready --timeout=30s ksvc/live")?;
    assert_eq!(platform.get("live", "/")?.status, 200);
    let shorter = r#"{"data":{"stable-window":"6s"}}"#;
    kubectl.run(&format!(
        "patch configmap config-autoscaler -n knative-serving --type merge -p {shorter}"
    ))?;
    wait::until("zero pods", Duration::from_secs(90), || match pods(&platform) {
        Ok(left) if left.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    let why = platform.rouse_ok("explain live")?;
    assert!(why.contains("stable window of 6 s"), "{why}");
    Ok(())
}

//! Cold start with `process`: a request at zero, beside starting the same program by hand.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rouse_tests::{Platform, http, wait};

use crate::stats::Samples;
use crate::{Wanted, platform, server, service};

const PHASES: [&str; 5] = ["hold", "wake", "start", "ready", "app"];

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let platform = platform()?;
    let window = "autoscaling.knative.dev/window: \"6s\"";
    platform.kubectl().apply(&service("cold", window))?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=30s ksvc/cold")?;
    let (mut ours, mut hand) = (Samples::default(), Samples::default());
    let mut phases: Vec<Samples> = PHASES.iter().map(|_| Samples::default()).collect();
    for _ in 0..wanted.runs {
        at_zero(&platform)?;
        let started = Instant::now();
        let answer = platform.get("cold", "/")?;
        ours.add_ms(started.elapsed());
        anyhow::ensure!(answer.status == 200, "{}", answer.body);
        let timing = answer.header("server-timing").unwrap_or_default();
        for (name, samples) in PHASES.iter().zip(&mut phases) {
            if let Some(ms) = phase(timing, name) {
                samples.add(ms);
            }
        }
        hand.add_ms(by_hand()?);
    }
    ours.print("test server: a request at zero", "ms");
    hand.print("test server: started by hand, polled every 1 ms", "ms");
    for (name, samples) in PHASES.iter().zip(&phases) {
        samples.print(&format!("  phase {name}"), "ms");
    }
    Ok(())
}

fn at_zero(platform: &Platform) -> anyhow::Result<()> {
    let kubectl = platform.kubectl();
    wait::until("zero pods", Duration::from_secs(60), || {
        let pods = kubectl.run("get pods -o name").map_err(|e| e.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    })
}

/// `hold;dur=12.3, wake;dur=0.4`
fn phase(timing: &str, name: &str) -> Option<f64> {
    let part = timing.split(',').map(str::trim).find(|p| p.starts_with(name))?;
    part.split("dur=").nth(1)?.parse().ok()
}

/// Spawns the program as a person would, and asks until it answers.
fn by_hand() -> anyhow::Result<Duration> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let started = Instant::now();
    let mut child = Command::new(server()?)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let answer = http::send(([127, 0, 0, 1], port).into(), "x", "/", None)?;
    let took = started.elapsed();
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(answer.status == 200, "{}", answer.body);
    Ok(took)
}

//! Memory of the platform alone (PSS): at rest, at the peak of a load, and a minute after it.

use std::time::{Duration, Instant};

use rouse_tests::memory::{self, pss};
use rouse_tests::{Platform, load, wait};
use serde_json::Value;

use crate::api::Client;
use crate::setup::{Wanted, platform, platform_with, service};

/// Connections of the load, with requests one after the other.
const CONNECTIONS: usize = 1000;
const LOAD: Duration = Duration::from_secs(10);
/// Services that are made and deleted again.
const CHURN: usize = 300;
/// Services that stay, at zero.
const IDLE: usize = 1000;
const SETTLE: Duration = Duration::from_secs(60);
/// Services applied at a time.
const BATCH: usize = 100;

pub(crate) fn connections(_: &Wanted) -> anyhow::Result<()> {
    let platform = platform()?;
    platform.kubectl().apply(&service("warm", "autoscaling.knative.dev/max-scale: \"1\""))?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=60s ksvc/warm")?;
    let (pid, before) = (platform.pid(), settled(&platform)?);
    let (peak, result) = memory::peak_rss(pid, || {
        load::run(platform.http, &platform.host("warm"), CONNECTIONS, LOAD)
    })?;
    let result = result?;
    let after = settled(&platform)?;
    println!(
        "{CONNECTIONS} connections for {} s: before {before:.1} MiB, peak (RSS) {peak:.1}, a minute after \
         {after:.1}   ({:.0} requests a second)",
        LOAD.as_secs(),
        result.per_second,
    );
    Ok(())
}

pub(crate) fn churn(_: &Wanted) -> anyhow::Result<()> {
    let platform = platform_with("fake")?;
    let before = settled(&platform)?;
    for from in (0..CHURN).step_by(BATCH) {
        made(&platform, from..from + BATCH)?;
        platform.kubectl().run("delete ksvc --all")?;
    }
    let full = pss(platform.pid())?;
    let after = settled(&platform)?;
    println!(
        "{CHURN} Services made and deleted: before {before:.1} MiB, at the end {full:.1}, a minute \
         after {after:.1}"
    );
    Ok(())
}

pub(crate) fn idle(_: &Wanted) -> anyhow::Result<()> {
    let platform = platform_with("fake")?;
    let before = settled(&platform)?;
    let began = Instant::now();
    for from in (0..IDLE).step_by(BATCH) {
        made(&platform, from..from + BATCH)?;
    }
    let ready = began.elapsed();
    let zero = || {
        let pods = platform.kubectl().run("get pods -o name").map_err(|e| e.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{} pods", pods.lines().count())) }
    };
    wait::until_every(Duration::from_secs(1), "zero pods", Duration::from_secs(180), zero)?;
    let after = settled(&platform)?;
    println!(
        "{IDLE} Services: all Ready {:.1} s after the first was created; before {before:.1} MiB, \
         idle {after:.1}",
        ready.as_secs_f64(),
    );
    Ok(())
}

/// Creates Services and waits until all are Ready, by the API: kubectl asks at most a few times a
/// second.
fn made(platform: &Platform, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    const PATH: &str = "/apis/serving.knative.dev/v1/namespaces/default/services";
    let mut client = Client::connect(platform)?;
    let wanted = numbers.end;
    for number in numbers {
        let service = serde_json::json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": { "name": format!("s{number}") },
            "spec": { "template": {
                "metadata": { "annotations": { "autoscaling.knative.dev/window": "6s" } },
                "spec": { "containers": [{ "image": "test-server" }] },
            } },
        });
        client.post(PATH, service.to_string())?;
    }
    wait::until_every(Duration::from_millis(100), "all Ready", Duration::from_secs(120), || {
        let list = client.get(PATH).map_err(|e| e.to_string())?;
        let ready =
            list["items"].as_array().into_iter().flatten().filter(|service| is_ready(service));
        let ready = ready.count();
        if ready >= wanted { Ok(()) } else { Err(format!("{ready} of {wanted} Ready")) }
    })
}

fn is_ready(service: &Value) -> bool {
    let conditions = service["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// PSS after a minute without work, in MiB.
fn settled(platform: &Platform) -> anyhow::Result<f64> {
    std::thread::sleep(SETTLE);
    pss(platform.pid())
}

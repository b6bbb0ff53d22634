//! `rouse up`: from exec until an authenticated write and a request through the gateway succeed.

use std::time::{Duration, Instant};

use rouse_tests::Platform;

use crate::setup::{Wanted, platform, service};
use crate::stats::Samples;

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let mut empty = Samples::default();
    for _ in 0..wanted.runs {
        let temp = tempfile::tempdir()?;
        let started = Instant::now();
        let mut platform = Platform::start_in(&temp.path().join("data"), "process")?;
        // Without a Service the gateway's own 404 is its answer.
        let took = until_answered(&platform, started, "nobody", 404);
        platform.stop()?;
        empty.add_ms(took?);
    }
    empty.print("up, empty state: exec to write and gateway answer", "ms");
    let mut platform = platform()?;
    let kubectl = platform.kubectl();
    let services: String = (0..20).map(|n| service(&format!("s{n}"), "")).collect();
    kubectl.apply(&services)?;
    kubectl.run("wait --for=condition=Ready --timeout=60s ksvc --all")?;
    let (mut ready, mut full) = (Samples::default(), Samples::default());
    for _ in 0..wanted.runs {
        platform.stop()?;
        let started = Instant::now();
        platform.resume()?;
        ready.add_ms(started.elapsed());
        full.add_ms(until_answered(&platform, started, "s7", 200)?);
    }
    ready.print("up, 20 Services: exec to its ready file", "ms");
    full.print("up, 20 Services: exec to write and an answer of one", "ms");
    Ok(())
}

/// Time until an authenticated write and a request have succeeded, after the ready file, which
/// is looked for every millisecond.
fn until_answered(
    platform: &Platform,
    started: Instant,
    name: &str,
    status: u16,
) -> anyhow::Result<Duration> {
    let mut api = crate::api::Client::connect(platform)?;
    api.create(&format!("bench-{}", started.elapsed().as_nanos()))?;
    let answer = platform.get(name, "/")?;
    let took = started.elapsed();
    anyhow::ensure!(answer.status == status, "the gateway answered {}", answer.status);
    Ok(took)
}

//! `rouse up`: from exec until an authenticated write and a request through the gateway succeed.

use std::path::Path;
use std::time::Instant;

use rouse_tests::Platform;

use crate::stats::Samples;
use crate::{Wanted, platform, service};

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let mut empty = Samples::default();
    for _ in 0..wanted.runs {
        let temp = tempfile::tempdir()?;
        empty.add_ms(once(temp.path(), None)?);
    }
    empty.print("up, empty state: exec to write and gateway answer", "ms");
    let mut first = platform()?;
    let dir = first.dir().to_owned();
    let kubectl = first.kubectl();
    let services: String = (0..20).map(|n| service(&format!("s{n}"), "")).collect();
    kubectl.apply(&services)?;
    kubectl.run("wait --for=condition=Ready --timeout=60s ksvc --all")?;
    first.stop()?;
    let mut full = Samples::default();
    for _ in 0..wanted.runs {
        full.add_ms(once(&dir, Some("s7"))?);
    }
    full.print("up, 20 Services: exec to write and an answer of one", "ms");
    Ok(())
}

/// Time until both have succeeded. The harness polls the ready file every 10 ms.
fn once(dir: &Path, name: Option<&str>) -> anyhow::Result<std::time::Duration> {
    let started = Instant::now();
    let mut platform = Platform::start_in(dir, "process")?;
    let mut api = crate::api::Client::connect(&platform)?;
    api.create(&format!("bench-{}", started.elapsed().as_nanos()))?;
    // Without a Service the gateway's own 404 is its answer.
    let answer = platform.get(name.unwrap_or("nobody"), "/")?;
    let took = started.elapsed();
    let expected = if name.is_some() { 200 } else { 404 };
    anyhow::ensure!(answer.status == expected, "the gateway answered {}", answer.status);
    platform.stop()?;
    Ok(took)
}

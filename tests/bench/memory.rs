//! Memory (PSS) with 10 Services at zero.

use std::time::Duration;

use rouse_tests::memory::pss;
use rouse_tests::wait;

use crate::setup::{Wanted, platform, service};
use crate::stats::Samples;

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let mut all = Samples::default();
    for _ in 0..wanted.runs {
        all.add(once()?);
    }
    all.print("PSS with 10 Services at zero, after 60 s", "MiB");
    Ok(())
}

/// PSS of a platform and the guard of its pods, in MiB.
fn once() -> anyhow::Result<f64> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    let window = "autoscaling.knative.dev/window: \"6s\"";
    let services: String = (0..10).map(|n| service(&format!("s{n}"), window)).collect();
    kubectl.apply(&services)?;
    kubectl.run("wait --for=condition=Ready --timeout=60s ksvc --all")?;
    wait::until("zero pods", Duration::from_secs(60), || {
        let pods = kubectl.run("get pods -o name").map_err(|e| e.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    })?;
    std::thread::sleep(Duration::from_secs(60));
    whole(platform.pid())
}

/// PSS of a platform and its children, in MiB.
pub(crate) fn whole(pid: u32) -> anyhow::Result<f64> {
    let mut sum = pss(pid)?;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children"))?;
        for child in children.split_whitespace() {
            sum += pss(child.parse()?)?;
        }
    }
    Ok(sum)
}

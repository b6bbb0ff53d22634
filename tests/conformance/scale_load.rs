//! 5.2 to 5.5: how many pods load asks for, and when they go again.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::json;

use crate::Case;
use crate::cluster::{EVERY, READY, Space, condition};
use crate::manifests::{scaled, set};
use crate::scale_bounds::{scale, until_scale};

pub(crate) const CASES: &[Case] = &[
    ("s5_2::target_and_utilization_say_how_much_a_pod_takes", target),
    ("s5_2::container_concurrency_is_a_target_too", hard_target),
    ("s5_2::requests_per_second_are_another_metric", per_second),
    ("s5_5::an_idle_revision_goes_to_zero_after_its_window", window),
    ("s5_5::the_last_pod_is_retained", retention),
    ("s5_5::fewer_pods_wait_for_the_scale_down_delay", scale_down_delay),
    ("s5_5::a_request_wakes_it_and_is_answered", wakes),
    ("s5_5::probes_are_no_load", probes),
    ("s5_7::what_is_at_zero_is_ready_and_inactive", inactive),
];

fn target(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = |used: &'static str| [("target", "4"), ("target-utilization-percentage", used)];
    let whole = space.deploy(&scaled(space, "whole", json!({}), &notes("100")))?;
    let half = space.deploy(&scaled(space, "half", json!({}), &notes("50")))?;
    // Five at once are two times 4 and three times 2.
    let both = || {
        until_scale(space, "whole-00001", 2)?;
        until_scale(space, "half-00001", 3)?;
        wait::holds("two pods, and three", Duration::from_secs(2), || {
            let (whole, half) = (scale(space, "whole-00001")?, scale(space, "half-00001")?);
            ensure!((whole.1, half.1) == (2, 3), "{whole:?} {half:?}");
            Ok(())
        })
    };
    // Long ones, so that the moments between them count for little.
    space.under_load(&whole, "/sleep/3000", 5, || space.under_load(&half, "/sleep/3000", 5, both))
}

fn hard_target(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("target", "50"), ("target-utilization-percentage", "100")];
    let mut made = scaled(space, "hello", json!({}), &notes);
    set(&mut made, "spec.template.spec.containerConcurrency", json!(1));
    let ksvc = space.deploy(&made)?;
    // The lower of both is the target, so that each of three has a pod.
    space.under_load(&ksvc, "/sleep/2000", 3, || until_scale(space, "hello-00001", 3))
}

fn per_second(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = |target: &'static str| [("metric", "rps"), ("target", target)];
    let many = space.deploy(&scaled(space, "many", json!({}), &notes("1000")))?;
    let few = space.deploy(&scaled(space, "few", json!({}), &notes("2")))?;
    let wanted = |revision: &str| scale(space, revision).map(|(_, wanted)| wanted);
    let short = || {
        wait::until_every(EVERY, "more pods by short requests", READY, || {
            match wanted("few-00001") {
                Ok(2..) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })?;
        // Six at once would be many, but a thousand in a second are not reached.
        let wanted = wanted("many-00001")?;
        ensure!(wanted < 2, "{wanted} pods for six requests at once");
        Ok(())
    };
    let long = || space.under_load(&few, "/sleep/20", 4, short);
    space.under_load(&many, "/sleep/2000", 6, long)
}

/// How long it takes from the end of the last request to fewer than so many pods.
fn until_fewer(space: &Space<'_>, count: i64) -> anyhow::Result<Duration> {
    let idle = Instant::now();
    wait::until_every(EVERY, &format!("fewer than {count} pods"), READY, || {
        match scale(space, "hello-00001") {
            Ok((_, wanted)) if (0..count).contains(&wanted) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    Ok(idle.elapsed())
}

fn window(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &[("window", "6s")]))?;
    assert_eq!(space.call(&ksvc, "/sleep/100")?.status, 200);
    let idle = until_fewer(space, 1)?;
    // Seconds are counted whole, and a decision comes every two.
    ensure!((Duration::from_secs(5)..Duration::from_secs(30)).contains(&idle), "{idle:?}");
    wait::until_every(EVERY, "the end of its pods", READY, || match space.pods("hello") {
        Ok(pods) if pods.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

fn retention(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("window", "6s"), ("scale-to-zero-pod-retention-period", "10s")];
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &notes))?;
    assert_eq!(space.call(&ksvc, "/sleep/100")?.status, 200);
    let idle = Instant::now();
    // None is wanted after the window, and from then on the last one is retained.
    until_fewer(space, 1)?;
    ensure!(
        space.pods("hello")?.len() == 1,
        "{:?} after {:?}",
        space.pods("hello"),
        idle.elapsed()
    );
    space.until("deployment", "hello-00001-deployment", "no pod", |deployment| {
        deployment["spec"]["replicas"] == 0
    })?;
    ensure!(idle.elapsed() > Duration::from_secs(15), "retained for {:?} only", idle.elapsed());
    Ok(())
}

fn scale_down_delay(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [
        ("window", "6s"),
        ("target", "1"),
        ("target-utilization-percentage", "100"),
        ("max-scale", "2"),
        ("scale-down-delay", "18s"),
    ];
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &notes))?;
    space.under_load(&ksvc, "/sleep/300", 3, || until_scale(space, "hello-00001", 2))?;
    let idle = until_fewer(space, 2)?;
    ensure!(idle > Duration::from_secs(15), "delayed for {idle:?} only");
    Ok(())
}

fn wakes(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &[("window", "6s")]))?;
    until_scale(space, "hello-00001", 0)?;
    // All of those that wait, and not the first alone.
    let answers = space.call_at_once(&ksvc, "/env/K_REVISION", 5)?;
    ensure!(answers.iter().all(|a| a.status == 200 && a.body == "hello-00001"), "{answers:?}");
    until_scale(space, "hello-00001", 1)
}

fn probes(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 1 });
    let container = json!({ "readinessProbe": probe, "livenessProbe": probe });
    space.deploy(&scaled(space, "hello", container, &[("window", "6s")]))?;
    until_scale(space, "hello-00001", 0)
}

fn inactive(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&scaled(space, "hello", json!({}), &[("window", "6s")]))?;
    until_scale(space, "hello-00001", 0)?;
    let revision = space.until("revision", "hello-00001", "inactive", |revision| {
        condition(revision, "Active")["status"] == "False"
    })?;
    let said = condition(&revision, "Active");
    assert_eq!(said["reason"], "NoTraffic", "{said}");
    assert_eq!(said["message"], "The target is not receiving traffic.");
    assert_eq!(condition(&revision, "Ready")["status"], "True", "{}", revision["status"]);
    let ksvc = space.get("ksvc", "hello")?;
    assert_eq!(condition(&ksvc, "Ready")["status"], "True", "{}", ksvc["status"]);
    let scaler = space.get("podautoscaler", "hello-00001")?;
    assert_eq!(condition(&scaler, "Active")["reason"], "NoTraffic", "{}", scaler["status"]);
    Ok(())
}

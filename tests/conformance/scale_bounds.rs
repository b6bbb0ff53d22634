//! 5.1, 5.2, 5.7: how many pods a Revision has by its annotations, whatever its load.

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, READY, SOON, Space, condition, observed};
use crate::manifests::{env, scaled, set, to_version};

pub(crate) const CASES: &[Case] = &[
    ("s5_1::min_scale_is_reached_before_ready", min_scale),
    ("s5_1::the_old_spelling_of_an_annotation_holds", old_spelling),
    ("s5_1::initial_scale_is_reached_before_ready", initial_scale),
    ("s5_1::max_scale_bounds_what_load_asks_for", max_scale),
    ("s5_1::activation_scale_is_the_least_that_wakes", activation_scale),
    ("s5_1::annotations_of_a_revision_may_be_edited", edited),
    ("s5_1::the_scale_is_reported_by_scaler_and_revision", reported),
    ("s5_2::min_scale_does_not_hold_without_traffic", unreachable),
    ("s5_7::min_scale_holds_until_the_next_revision_has_its_own", handed_over),
    ("s5_8::a_horizontal_pod_autoscaler_has_the_revisions_bounds", horizontal),
];

/// Pods that are Ready, by the PodAutoscaler, and how many it wants.
pub(crate) fn scale(space: &Space<'_>, revision: &str) -> anyhow::Result<(i64, i64)> {
    let status = space.get("podautoscaler", revision)?["status"].take();
    let figure = |name: &str| status[name].as_i64().unwrap_or(-1);
    Ok((figure("actualScale"), figure("desiredScale")))
}

/// Waits until so many pods are there and wanted.
pub(crate) fn until_scale(space: &Space<'_>, revision: &str, count: i64) -> anyhow::Result<()> {
    wait::until_every(EVERY, &format!("{count} pods of {revision}"), READY, || {
        match scale(space, revision) {
            Ok((actual, wanted)) if (actual, wanted) == (count, count) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

fn min_scale(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&scaled(space, "hello", json!({}), &[("min-scale", "2")]))?;
    let ready = space.pods("hello")?;
    let ready = ready.iter().filter(|pod| condition(pod, "Ready")["status"] == "True");
    assert_eq!(ready.count(), 2);
    Ok(())
}

fn old_spelling(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&scaled(space, "hello", json!({}), &[("minScale", "2")]))?;
    assert_eq!(scale(space, "hello-00001")?, (2, 2));
    Ok(())
}

fn initial_scale(space: &Space<'_>) -> anyhow::Result<()> {
    space.create("ksvc", &scaled(space, "hello", json!({}), &[("initial-scale", "3")]))?;
    let mut most = 0;
    wait::until_every(EVERY, "Ready", READY, || {
        let look = |kind: &str, name: &str| space.get(kind, name).map_err(|e| e.to_string());
        let ready = condition(&look("ksvc", "hello")?, "Ready")["status"] == "True";
        let deployment = look("deployment", "hello-00001-deployment")?;
        most = most.max(deployment["status"]["readyReplicas"].as_i64().unwrap_or(0));
        if ready { Ok(()) } else { Err(deployment["status"].to_string()) }
    })?;
    assert_eq!(most, 3);
    // It is where the Revision begins, and no more.
    wait::until_every(EVERY, "fewer pods", READY, || match scale(space, "hello-00001") {
        Ok((_, wanted)) if wanted < 3 => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

fn max_scale(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("max-scale", "2"), ("target", "1")];
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &notes))?;
    space.under_load(&ksvc, "/sleep/1000", 6, || {
        until_scale(space, "hello-00001", 2)?;
        wait::holds("the bound of two pods", std::time::Duration::from_secs(3), || {
            let (actual, wanted) = scale(space, "hello-00001")?;
            ensure!(wanted == 2 && actual <= 2, "{actual} of {wanted}");
            ensure!(space.pods("hello")?.len() <= 2, "{:?}", space.pods("hello")?);
            Ok(())
        })
    })
}

fn activation_scale(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("activation-scale", "3"), ("window", "6s")];
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &notes))?;
    until_scale(space, "hello-00001", 0)?;
    assert_eq!(space.call(&ksvc, "/")?.status, 200);
    until_scale(space, "hello-00001", 3)
}

fn edited(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&scaled(space, "hello", json!({}), &[("min-scale", "1"), ("window", "6s")]))?;
    let note = "autoscaling.knative.dev/min-scale";
    let to = |value: Value| json!({ "metadata": { "annotations": { note: value } } });
    space.merge("revision", "hello-00001", &to(json!("2")))?;
    until_scale(space, "hello-00001", 2)?;
    space.merge("revision", "hello-00001", &to(Value::Null))?;
    space.until("podautoscaler", "hello-00001", "the end of the annotation", |scaler| {
        scaler["metadata"]["annotations"][note].is_null()
    })?;
    until_scale(space, "hello-00001", 0)
}

fn reported(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&scaled(space, "hello", json!({}), &[("min-scale", "2")]))?;
    space.until("revision", "hello-00001", "its replicas", |revision| {
        let status = &revision["status"];
        status["actualReplicas"] == 2 && status["desiredReplicas"] == 2
    })?;
    let deployment = space.get("deployment", "hello-00001-deployment")?;
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    Ok(())
}

fn unreachable(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("min-scale", "1"), ("window", "6s")];
    space.deploy(&scaled(space, "hello", env(&[("VERSION", "1")]), &notes))?;
    space.changed("hello", &to_version(space, "hello", "2"))?;
    until_scale(space, "hello-00001", 0)?;
    assert_eq!(scale(space, "hello-00002")?, (1, 1));
    Ok(())
}

fn handed_over(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [("min-scale", "2"), ("window", "6s")];
    space.deploy(&scaled(space, "hello", env(&[("VERSION", "1")]), &notes))?;
    let mut slow = to_version(space, "hello", "2");
    // Longer than the old one would need to go to zero.
    set(
        &mut slow,
        "spec.template.spec.containers.0.env",
        env(&[("VERSION", "2"), ("START_MS", "9000")])["env"].take(),
    );
    space.merge("ksvc", "hello", &slow)?;
    let moved = wait::until_every(EVERY, "the new Revision", READY, || {
        let read = || {
            // The traffic first: it may move between the two looks.
            let ksvc = space.get("ksvc", "hello")?;
            anyhow::Ok((ksvc, scale(space, "hello-00001")?.0))
        };
        let (ksvc, old) = read().map_err(|error| format!("{error:#}"))?;
        match observed(&ksvc) && ksvc["status"]["latestReadyRevisionName"] == "hello-00002" {
            true => Ok(Ok(())),
            false if old < 2 => Ok(Err(format!("{old} old pods: {}", ksvc["status"]))),
            false => Err(ksvc["status"].to_string()),
        }
    })?;
    moved.map_err(anyhow::Error::msg)?;
    space.ready("ksvc", "hello")?;
    assert_eq!(scale(space, "hello-00002")?, (2, 2));
    Ok(())
}

fn horizontal(space: &Space<'_>) -> anyhow::Result<()> {
    let notes = [
        ("class", "hpa.autoscaling.knative.dev"),
        ("metric", "cpu"),
        ("target", "70"),
        ("min-scale", "1"),
        ("max-scale", "3"),
    ];
    let cpu = json!({ "resources": { "requests": { "cpu": "10m" } } });
    space.deploy(&scaled(space, "hello", cpu, &notes))?;
    let found = wait::until_every(EVERY, "its HorizontalPodAutoscaler", SOON, || {
        space.get("hpa", "hello-00001").map_err(|error| error.to_string())
    })?;
    let spec = &found["spec"];
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(1), &json!(3)), "{spec}");
    assert_eq!(spec["scaleTargetRef"]["name"], "hello-00001-deployment");
    let resource = &spec["metrics"][0]["resource"];
    assert_eq!(resource["name"], "cpu");
    assert_eq!(resource["target"]["averageUtilization"], 70, "{spec}");
    Ok(())
}

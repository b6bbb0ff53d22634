//! 3.7 and 3.8: traffic, tags, rollouts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::calls::joined;
use crate::cluster::{READY, Space, condition, observed};
use crate::manifests::{to_version, version};

pub(crate) const CASES: &[Case] = &[
    ("s3_8::traffic_of_the_status_repeats_the_spec_flattened", flattened),
    ("s3_8::half_and_half", halves),
    ("s3_8::tags_have_hosts_and_urls", tags),
    ("s3_8::pinned_traffic_stays_and_the_tag_of_the_latest_moves", pinned),
    ("s3_8::a_missing_revision_leaves_the_old_traffic", missing),
    ("s3_8::no_request_is_lost_while_revisions_change", nothing_lost),
    ("s3_8::a_rollout_moves_step_by_step", rollout),
    ("s1_1::a_route_and_a_configuration_of_their_own", standalone),
    ("s4::an_unknown_host_is_404", unknown_host),
];

/// A Service with Revisions of the versions 1 and 2.
fn two(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    space.changed("hello", &to_version(space, "hello", "2"))?;
    Ok(())
}

fn flattened(space: &Space<'_>) -> anyhow::Result<()> {
    two(space)?;
    let wanted = json!({ "spec": { "traffic": [
        { "revisionName": "hello-00001", "percent": 30, "tag": "old" },
        { "latestRevision": true, "percent": 70 },
        { "latestRevision": true, "tag": "now" },
    ] } });
    let ksvc = space.changed("hello", &wanted)?;
    let mut traffic = ksvc["status"]["traffic"].clone();
    for (index, host) in [(0, "old-hello"), (2, "now-hello")] {
        let url = traffic[index]["url"].take();
        ensure!(
            url.as_str().is_some_and(|u| u.contains(&format!("://{host}.{}.", space.name))),
            "{url}"
        );
    }
    let expected = json!([
        { "revisionName": "hello-00001", "latestRevision": false, "percent": 30, "tag": "old", "url": null },
        { "revisionName": "hello-00002", "latestRevision": true, "percent": 70 },
        { "revisionName": "hello-00002", "latestRevision": true, "percent": 0, "tag": "now", "url": null },
    ]);
    let explicit: Vec<Value> = traffic
        .as_array()
        .into_iter()
        .flatten()
        .map(|target| {
            let mut target = target.clone();
            let is_zero = target["percent"].is_null();
            if is_zero {
                target["percent"] = json!(0);
            }
            target
        })
        .collect();
    assert_eq!(Value::Array(explicit), expected);
    assert_eq!(space.get("route", "hello")?["status"]["traffic"], ksvc["status"]["traffic"]);
    Ok(())
}

/// How many of so many answers had which body.
fn sample(space: &Space<'_>, url: &Value, count: usize) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut seen = BTreeMap::new();
    for _ in 0..count {
        let answer = space.call_with(url, "/", &[], None)?;
        ensure!(answer.status == 200, "{answer:?}");
        *seen.entry(answer.body).or_default() += 1;
    }
    Ok(seen)
}

fn halves(space: &Space<'_>) -> anyhow::Result<()> {
    two(space)?;
    let wanted = json!({ "spec": { "traffic": [
        { "revisionName": "hello-00001", "percent": 50, "tag": "blue" },
        { "revisionName": "hello-00002", "percent": 50, "tag": "green" },
    ] } });
    let ksvc = space.changed("hello", &wanted)?;
    let seen = sample(space, &ksvc["status"]["url"], 200)?;
    assert_eq!(seen.len(), 2, "{seen:?}");
    ensure!(seen.values().all(|count| *count >= 50), "{seen:?}");
    for (index, body) in ["version 1 of hello-00001", "version 2 of hello-00002"].iter().enumerate()
    {
        let seen = sample(space, &ksvc["status"]["traffic"][index]["url"], 20)?;
        assert_eq!(seen.into_keys().collect::<Vec<_>>(), [*body]);
    }
    Ok(())
}

fn tags(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "hello", "1");
    made["spec"]["traffic"] = json!([{ "latestRevision": true, "percent": 100, "tag": "now" }]);
    let ksvc = space.deploy(&made)?;
    let url = ksvc["status"]["traffic"][0]["url"].clone();
    assert_eq!(space.call_with(&url, "/", &[], None)?.body, "version 1 of hello-00001");
    let without = json!({ "spec": { "traffic": [{ "latestRevision": true, "percent": 100 }] } });
    let ksvc = space.changed("hello", &without)?;
    ensure!(ksvc["status"]["traffic"][0]["url"].is_null(), "{}", ksvc["status"]);
    assert_eq!(space.call_with(&url, "/", &[], None)?.status, 404, "a tag that was taken away");
    Ok(())
}

fn pinned(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "hello", "1");
    made["spec"]["template"]["metadata"]["name"] = json!("hello-one");
    made["spec"]["traffic"] = json!([
        { "revisionName": "hello-one", "percent": 100, "tag": "current" },
        { "latestRevision": true, "percent": 0, "tag": "latest" },
    ]);
    space.deploy(&made)?;
    let mut to = to_version(space, "hello", "2");
    to["spec"]["template"]["metadata"] = json!({ "name": "hello-two" });
    let ksvc = space.changed("hello", &to)?;
    assert_eq!(space.body(&ksvc, "/")?, "version 1 of hello-one");
    let latest = &ksvc["status"]["traffic"][1];
    assert_eq!(latest["revisionName"], "hello-two");
    assert_eq!(space.call_with(&latest["url"], "/", &[], None)?.body, "version 2 of hello-two");
    Ok(())
}

fn missing(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let wanted =
        json!({ "spec": { "traffic": [{ "revisionName": "hello-nobody", "percent": 100 }] } });
    space.merge("ksvc", "hello", &wanted)?;
    let ksvc = space.until("ksvc", "hello", "a missing revision", |object| {
        observed(object) && condition(object, "RoutesReady")["status"] == "False"
    })?;
    let said = condition(&ksvc, "RoutesReady");
    assert_eq!(said["reason"], "RevisionMissing");
    assert_eq!(said["message"], "Revision \"hello-nobody\" referenced in traffic not found.");
    assert_eq!(space.body(&ksvc, "/")?, "version 1 of hello-00001");
    let route = space.get("route", "hello")?;
    assert_eq!(route["status"]["traffic"][0]["revisionName"], "hello-00001");
    Ok(())
}

fn nothing_lost(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&version(space, "hello", "1"))?;
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let prober = scope.spawn(|| -> anyhow::Result<usize> {
            let mut sent = 0;
            while sent < 10 || !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let answer = space.call(&ksvc, "/")?;
                ensure!(answer.status == 200, "{answer:?} as request {sent}");
                sent += 1;
                // One client of many: it leaves the machine to the changes.
                wait::pause(Duration::from_millis(10));
                ensure!(sent < 100_000, "the changes do not end");
            }
            Ok(sent)
        });
        let changes = (2..5).try_for_each(|n| {
            let ksvc = space.changed("hello", &to_version(space, "hello", &n.to_string()))?;
            // Ready means that the very next request is answered by it.
            let body = space.body(&ksvc, "/")?;
            ensure!(
                body == format!("version {n} of hello-0000{n}"),
                "{body} is not of version {n}"
            );
            Ok(())
        });
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        changes?;
        joined(prober.join()).map(drop)
    })
}

fn rollout(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "hello", "1");
    made["metadata"]["annotations"] = json!({ "serving.knative.dev/rollout-duration": "12s" });
    let ksvc = space.deploy(&made)?;
    space.merge("ksvc", "hello", &to_version(space, "hello", "2"))?;
    let started = Instant::now();
    let mut steps: Vec<i64> = Vec::new();
    let mut split = None;
    wait::until_every(Duration::from_millis(50), "the end of the rollout", READY, || {
        let route = space.get("route", "hello").map_err(|error| error.to_string())?;
        let traffic = route["status"]["traffic"].as_array().cloned().unwrap_or_default();
        let share = |name: &str| {
            let of = traffic.iter().filter(|target| target["revisionName"] == name);
            of.map(|target| target["percent"].as_i64().unwrap_or(0)).sum::<i64>()
        };
        let (old, new) = (share("hello-00001"), share("hello-00002"));
        assert_eq!(old + new, 100, "{traffic:?}");
        if steps.last() != Some(&new) {
            steps.push(new);
        }
        let ready = condition(&route, "Ready");
        match new {
            0 => Err(ready.to_string()),
            100 if ready["status"] == "True" => Ok(()),
            100 => Err(ready.to_string()),
            _ => {
                assert_eq!(condition(&route, "IngressReady")["reason"], "RolloutInProgress");
                if split.is_none() && (35..=65).contains(&new) {
                    split = Some(sample(space, &ksvc["status"]["url"], 30));
                }
                Err(format!("{steps:?}"))
            }
        }
    })?;
    ensure!(steps.len() >= 4 && steps.is_sorted(), "{steps:?}");
    ensure!(steps.iter().find(|step| **step > 0) == Some(&1), "it begins with 1 %: {steps:?}");
    ensure!(started.elapsed() > Duration::from_secs(8), "{:?}", started.elapsed());
    // Requests go where the status says.
    let split = split.context("no step between 35 and 65 %")??;
    assert_eq!(split.len(), 2, "{split:?}");
    let ksvc = space.ready("ksvc", "hello")?;
    assert_eq!(space.body(&ksvc, "/")?, "version 2 of hello-00002");
    Ok(())
}

fn standalone(space: &Space<'_>) -> anyhow::Result<()> {
    let mut alone = version(space, "conf", "1");
    alone["kind"] = json!("Configuration");
    space.create("configuration", &alone)?;
    let route = json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": { "name": "way" },
        "spec": { "traffic": [{ "configurationName": "conf", "percent": 100, "tag": "now" }] } });
    space.create("route", &route)?;
    let route = space.ready("route", "way")?;
    assert_eq!(space.body(&route, "/")?, "version 1 of conf-00001");
    let revision = space.until("revision", "conf-00001", "active", |object| {
        object["metadata"]["labels"]["serving.knative.dev/routingState"] == "active"
    })?;
    assert_eq!(revision["metadata"]["labels"]["serving.knative.dev/configurationGeneration"], "1");
    ensure!(route["status"]["traffic"][0]["configurationName"].is_null(), "{}", route["status"]);
    space.merge("configuration", "conf", &to_version(space, "conf", "2"))?;
    space.ready("configuration", "conf")?;
    let route = space.until("route", "way", "the second revision", |object| {
        object["status"]["traffic"][0]["revisionName"] == "conf-00002"
            && condition(object, "Ready")["status"] == "True"
    })?;
    assert_eq!(space.body(&route, "/")?, "version 2 of conf-00002");
    Ok(())
}

fn unknown_host(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&version(space, "hello", "1"))?;
    let url = ksvc["status"]["url"].as_str().unwrap_or_default().replace("hello.", "nobody.");
    assert_eq!(space.call_with(&json!(url), "/", &[], None)?.status, 404);
    Ok(())
}

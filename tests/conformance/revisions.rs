//! 3.9: generations, Revisions and their names.

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, READY, Space, condition, observed};
use crate::manifests::{env, service, to_version, version};

pub(crate) const CASES: &[Case] = &[
    ("s3_9::each_change_of_the_template_is_a_revision", changes),
    ("s3_9::metadata_of_a_configuration_makes_no_revision", metadata_only),
    ("s3_9::the_same_manifest_again_changes_nothing", same_again),
    ("s3_9::a_failing_revision_leaves_the_old_one_in_charge", failing),
    ("s3_9::a_name_of_ones_own", own_name),
    ("s3_9::a_name_of_ones_own_with_another_template_is_refused", own_name_changed),
    ("s3_9::back_to_an_older_name_of_ones_own", rollback),
    ("s3_9::a_name_that_another_has_is_a_conflict", taken_name),
    ("s3_9::a_revision_is_pinned_to_a_digest", digest),
    ("s3_9::containers_keep_their_order_in_the_status", order),
    ("s3_9::an_update_with_an_old_version_is_a_conflict", stale),
    ("s0_3::an_empty_json_patch_returns_the_object", empty_patch),
    ("s0_3::a_json_patch_of_the_image_makes_a_revision", json_patch),
    ("s1_1::generated_names_are_served", generated),
];

fn changes(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    space.changed("hello", &to_version(space, "hello", "2"))?;
    let labels = json!({ "spec": { "template": { "metadata": { "labels": { "a": "b" } } } } });
    space.changed("hello", &labels)?;
    let notes = json!({ "spec": { "template": { "metadata": { "annotations": { "a": "b" } } } } });
    let ksvc = space.changed("hello", &notes)?;
    assert_eq!(ksvc["status"]["latestReadyRevisionName"], "hello-00004");
    assert_eq!(space.body(&ksvc, "/")?, "version 2 of hello-00004");
    let revisions = space.list("revision", "serving.knative.dev/service=hello")?;
    let mut generations: Vec<_> = revisions
        .iter()
        .map(|r| r["metadata"]["labels"]["serving.knative.dev/configurationGeneration"].clone())
        .filter_map(|g| g.as_str().map(str::to_owned))
        .collect();
    generations.sort();
    assert_eq!(generations, ["1", "2", "3", "4"]);
    Ok(())
}

fn metadata_only(space: &Space<'_>) -> anyhow::Result<()> {
    let mut alone = version(space, "alone", "1");
    alone["kind"] = json!("Configuration");
    space.create("configuration", &alone)?;
    let before = space.ready("configuration", "alone")?;
    let patch = json!({ "metadata": { "labels": { "a": "b" }, "annotations": { "c": "d" } } });
    let said = space.merge("configuration", "alone", &patch)?;
    assert_eq!(said["metadata"]["generation"], before["metadata"]["generation"]);
    // The next change of the template is seen after it, and is the second generation.
    space.merge("configuration", "alone", &to_version(space, "alone", "2"))?;
    let after = space.ready("configuration", "alone")?;
    assert_eq!(after["status"]["latestReadyRevisionName"], "alone-00002");
    assert_eq!(after["metadata"]["labels"], said["metadata"]["labels"]);
    let notes = |object: &Value| {
        let mut notes = object["metadata"]["annotations"].clone();
        // Who wrote the template last, which is a change of its own.
        notes["serving.knative.dev/lastModifier"].take();
        notes
    };
    assert_eq!(notes(&after), notes(&said));
    let revisions = space.list("revision", "serving.knative.dev/configuration=alone")?;
    assert_eq!(revisions.len(), 2);
    for revision in revisions {
        ensure!(revision["metadata"]["labels"]["a"].is_null(), "{}", revision["metadata"]);
        ensure!(revision["metadata"]["annotations"]["c"].is_null(), "{}", revision["metadata"]);
    }
    Ok(())
}

fn same_again(space: &Space<'_>) -> anyhow::Result<()> {
    let made = version(space, "hello", "1");
    let before = space.deploy(&made)?;
    let mut again = made;
    again["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    again["metadata"]["annotations"] = before["metadata"]["annotations"].clone();
    let after = space.replace("ksvc", &again)?;
    assert_eq!(after["metadata"]["generation"], 1, "{}", after["spec"]);
    assert_eq!(space.list("revision", "serving.knative.dev/service=hello")?.len(), 1);
    Ok(())
}

fn failing(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let mut bad = to_version(space, "hello", "2");
    bad["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "EXIT", "value": "4" }]);
    space.merge("ksvc", "hello", &bad)?;
    let ksvc = space.until("ksvc", "hello", "a failed revision", |object| {
        observed(object) && condition(object, "ConfigurationsReady")["status"] == "False"
    })?;
    assert_eq!(condition(&ksvc, "RoutesReady")["status"], "True", "{}", ksvc["status"]);
    assert_eq!(condition(&ksvc, "Ready")["status"], "False");
    assert_eq!(ksvc["status"]["latestCreatedRevisionName"], "hello-00002");
    assert_eq!(ksvc["status"]["latestReadyRevisionName"], "hello-00001");
    assert_eq!(space.body(&ksvc, "/")?, "version 1 of hello-00001");
    let ksvc = space.changed("hello", &to_version(space, "hello", "3"))?;
    assert_eq!(space.body(&ksvc, "/")?, "version 3 of hello-00003");
    Ok(())
}

/// A Service whose Revision is named.
fn named(space: &Space<'_>, version: &str, name: &str) -> Value {
    let mut made = service(space, "hello", env(&[("VERSION", version)]));
    made["spec"]["template"]["metadata"]["name"] = json!(name);
    made
}

fn own_name(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&named(space, "1", "hello-mine"))?;
    assert_eq!(ksvc["status"]["latestReadyRevisionName"], "hello-mine");
    assert_eq!(space.body(&ksvc, "/")?, "version 1 of hello-mine");
    Ok(())
}

fn own_name_changed(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&named(space, "1", "hello-mine"))?;
    let other = json!({ "spec": named(space, "2", "hello-mine")["spec"] });
    let refused = space.merge("ksvc", "hello", &other).err().map(|e| e.message);
    for words in [
        "Saw the following changes without a name change (-old +new)",
        "spec.template.metadata.name",
    ] {
        ensure!(refused.as_deref().is_some_and(|m| m.contains(words)), "{refused:?}");
    }
    Ok(())
}

fn rollback(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&named(space, "1", "hello-one"))?;
    let to = |spec: Value| json!({ "spec": spec });
    space.changed("hello", &to(named(space, "2", "hello-two")["spec"].take()))?;
    let ksvc = space.changed("hello", &to(named(space, "1", "hello-one")["spec"].take()))?;
    assert_eq!(ksvc["status"]["latestReadyRevisionName"], "hello-one");
    assert_eq!(space.body(&ksvc, "/")?, "version 1 of hello-one");
    Ok(())
}

fn taken_name(space: &Space<'_>) -> anyhow::Result<()> {
    // A Service whose name is the beginning of another's makes the Revision first.
    let mut first = version(space, "hello", "1");
    first["spec"]["template"]["metadata"]["name"] = json!("hello-other-one");
    space.deploy(&first)?;
    let mut second = version(space, "hello-other", "2");
    second["spec"]["template"]["metadata"]["name"] = json!("hello-other-one");
    space.create("ksvc", &second)?;
    let ksvc = space.until("ksvc", "hello-other", "a conflict", |object| {
        condition(object, "ConfigurationsReady")["status"] == "False"
    })?;
    let said = condition(&ksvc, "ConfigurationsReady");
    ensure!(said["message"].as_str().is_some_and(|m| m.contains("hello-other-one")), "{said}");
    assert_eq!(space.body(&space.get("ksvc", "hello")?, "/")?, "version 1 of hello-other-one");
    Ok(())
}

fn digest(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let revision = space.get("revision", "hello-00001")?;
    let status = &revision["status"]["containerStatuses"][0];
    assert_eq!(status["name"], "user-container");
    let digest = status["imageDigest"].as_str().unwrap_or_default();
    ensure!(digest.contains("@sha256:"), "{status}");
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    assert_eq!(pod["spec"]["containers"][0]["image"], digest);
    Ok(())
}

fn order(space: &Space<'_>) -> anyhow::Result<()> {
    let image = &space.cluster.image;
    let mut made =
        service(space, "hello", json!({ "name": "zebra", "ports": [{ "containerPort": 8080 }] }));
    let second =
        json!({ "name": "apple", "image": image, "env": [{ "name": "PORT", "value": "8891" }] });
    let list = made["spec"]["template"]["spec"]["containers"].as_array_mut();
    list.into_iter().for_each(|list| list.push(second.clone()));
    let ksvc = space.deploy(&made)?;
    let revision = space.get("revision", "hello-00001")?;
    let names: Vec<_> = revision["status"]["containerStatuses"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| s["name"].clone())
        .collect();
    assert_eq!(names, ["zebra", "apple"]);
    // They share localhost.
    wait::until_every(EVERY, "the other container's answer", READY, || {
        match space.body(&ksvc, "/fetch/127.0.0.1/8891/env/PORT") {
            Ok(answer) if answer.ends_with("8891") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    Ok(())
}

fn stale(space: &Space<'_>) -> anyhow::Result<()> {
    let made = space.create("ksvc", &version(space, "hello", "1"))?;
    space.ready("ksvc", "hello")?;
    space.merge("ksvc", "hello", &json!({ "metadata": { "labels": { "a": "b" } } }))?;
    let refused = space.replace("ksvc", &made).err().map(|e| e.code);
    assert_eq!(refused, Some(409));
    Ok(())
}

fn empty_patch(space: &Space<'_>) -> anyhow::Result<()> {
    space.create("ksvc", &version(space, "hello", "1"))?;
    let before = space.ready("ksvc", "hello")?;
    let after = space.json_patch("ksvc", "hello", &json!([]))?;
    assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"]);
    assert_eq!(after["spec"], before["spec"]);
    Ok(())
}

fn json_patch(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let path = "/spec/template/spec/containers/0/env/0/value";
    let patch = json!([
        { "op": "replace", "path": path, "value": "2" },
        { "op": "add", "path": "/metadata/labels", "value": { "a": "b" } },
        { "op": "add", "path": "/metadata/annotations/example.org~1note", "value": "c" },
    ]);
    space.json_patch("ksvc", "hello", &patch)?;
    let ksvc = space.ready("ksvc", "hello")?;
    assert_eq!(ksvc["metadata"]["annotations"]["example.org/note"], "c");
    assert_eq!(space.body(&ksvc, "/")?, "version 2 of hello-00002");
    let removed = space.json_patch(
        "ksvc",
        "hello",
        &json!([{ "op": "remove", "path": "/metadata/labels" }]),
    )?;
    ensure!(removed["metadata"]["labels"].is_null(), "{}", removed["metadata"]);
    Ok(())
}

fn generated(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "x", "1");
    made["metadata"] = json!({ "generateName": "hello-" });
    let ksvc = space.deploy(&made)?;
    ensure!(space.body(&ksvc, "/")?.starts_with("version 1 of hello-"), "{ksvc}");
    Ok(())
}

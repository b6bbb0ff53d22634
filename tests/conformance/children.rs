//! 3.5 to 3.7: what a Service owns: labels, annotations, owners, names, addresses.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{EVERY, Space, condition};
use crate::manifests::{service, to_version, version, with};

pub(crate) const CASES: &[Case] = &[
    ("s3_5::children_are_labelled_with_what_made_them", labels),
    ("s3_5::children_are_owned", owners),
    ("s3_5::labels_and_annotations_of_a_service_follow_to_its_children", followed),
    ("s3_5::template_labels_and_annotations_reach_the_pod", template_metadata),
    ("s3_5::the_routing_state_of_a_revision", routing_state),
    ("s3_5::foreground_deletion_ends_with_all_children_gone", deletion),
    ("s3_6::names_of_children", names),
    ("s3_6::a_long_name_is_shortened_with_its_digest", long_names),
    ("s3_6::a_revision_is_numbered_by_its_configuration", numbers),
    ("s3_7::a_public_service_has_a_url_and_an_inner_address", addresses),
    ("s3_7::a_cluster_local_service_is_not_seen_from_outside", cluster_local),
    ("s3_7::visibility_is_a_label_and_makes_no_generation", visibility),
    ("s3_7::a_tags_visibility_is_its_own", tag_visibility),
];

fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["labels"][format!("serving.knative.dev/{key}")].as_str().unwrap_or_default()
}

fn note<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["annotations"][format!("serving.knative.dev/{key}")]
        .as_str()
        .unwrap_or_default()
}

fn labels(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&version(space, "hello", "1"))?;
    let uid = ksvc["metadata"]["uid"].as_str().unwrap_or_default();
    let configuration = space.get("configuration", "hello")?;
    for object in [&configuration, &space.get("route", "hello")?] {
        assert_eq!(label(object, "service"), "hello");
    }
    assert_eq!(label(&configuration, "serviceUID"), uid);
    let revision = space.get("revision", "hello-00001")?;
    for (key, value) in [
        ("configuration", "hello"),
        ("configurationGeneration", "1"),
        ("service", "hello"),
        ("serviceUID", uid),
        ("routingState", "active"),
        ("configurationUID", configuration["metadata"]["uid"].as_str().unwrap_or_default()),
    ] {
        assert_eq!(label(&revision, key), value, "{key}");
    }
    assert_eq!(note(&revision, "routes"), "hello");
    ensure!(!note(&revision, "creator").is_empty(), "{}", revision["metadata"]);
    ensure!(!note(&revision, "routingStateModified").is_empty(), "{}", revision["metadata"]);
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    for object in [
        &space.get("deployment", "hello-00001-deployment")?,
        &space.get("podautoscaler", "hello-00001")?,
        &pod,
    ] {
        assert_eq!(label(object, "revision"), "hello-00001");
        assert_eq!(
            label(object, "revisionUID"),
            revision["metadata"]["uid"].as_str().unwrap_or_default()
        );
        assert_eq!(object["metadata"]["labels"]["app"], "hello-00001");
        ensure!(label(object, "routingState").is_empty(), "{}", object["metadata"]);
    }
    Ok(())
}

fn owners(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    for (kind, name, owner, owner_name) in [
        ("configuration", "hello", "ksvc", "hello"),
        ("route", "hello", "ksvc", "hello"),
        ("revision", "hello-00001", "configuration", "hello"),
        ("deployment", "hello-00001-deployment", "revision", "hello-00001"),
        ("podautoscaler", "hello-00001", "revision", "hello-00001"),
        ("service", "hello", "route", "hello"),
    ] {
        let object = space.get(kind, name)?;
        let reference = &object["metadata"]["ownerReferences"][0];
        assert_eq!(reference["uid"], space.get(owner, owner_name)?["metadata"]["uid"], "{kind}");
        assert_eq!(reference["controller"], true, "{kind}");
        assert_eq!(reference["blockOwnerDeletion"], true, "{kind}");
    }
    Ok(())
}

fn followed(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "hello", "1");
    made["metadata"]["labels"] = json!({ "juicy": "label" });
    made["metadata"]["annotations"] = json!({ "juicy": "note" });
    space.deploy(&made)?;
    for kind in ["configuration", "route", "service"] {
        let metadata = &space.get(kind, "hello")?["metadata"];
        assert_eq!(metadata["labels"]["juicy"], "label", "{kind}");
        assert_eq!(metadata["annotations"]["juicy"], "note", "{kind}");
    }
    let revision = space.get("revision", "hello-00001")?;
    ensure!(revision["metadata"]["labels"]["juicy"].is_null(), "{}", revision["metadata"]);
    ensure!(revision["metadata"]["annotations"]["juicy"].is_null(), "{}", revision["metadata"]);
    let other = json!({ "juicy": null, "dry": "too" });
    space.changed("hello", &json!({ "metadata": { "labels": other, "annotations": other } }))?;
    let is_so = |object: &Value, part: &str| {
        object["metadata"][part]["juicy"].is_null() && object["metadata"][part]["dry"] == "too"
    };
    for kind in ["configuration", "route"] {
        space.until(kind, "hello", "what was added and not what was removed", |object| {
            is_so(object, "labels") && is_so(object, "annotations")
        })?;
    }
    // What stands on the placeholder is never taken away, though what is new comes to it.
    let placeholder = space.until("service", "hello", "what was added", |object| {
        object["metadata"]["labels"]["dry"] == "too"
            && object["metadata"]["annotations"]["dry"] == "too"
    })?;
    assert_eq!(placeholder["metadata"]["labels"]["juicy"], "label");
    assert_eq!(placeholder["metadata"]["annotations"]["juicy"], "note");
    assert_eq!(placeholder["metadata"]["labels"]["serving.knative.dev/route"], "hello");
    Ok(())
}

fn template_metadata(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = with(
        space,
        "hello",
        json!({}),
        json!({}),
        json!({ "juicy": "note", "autoscaling.knative.dev/max-scale": "3" }),
    );
    made["spec"]["template"]["metadata"]["labels"] = json!({ "juicy": "label" });
    space.deploy(&made)?;
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    for object in [&space.get("revision", "hello-00001")?, &pod] {
        assert_eq!(object["metadata"]["labels"]["juicy"], "label");
        assert_eq!(object["metadata"]["annotations"]["juicy"], "note");
    }
    ensure!(pod["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"].is_null(), "{pod}");
    let scaler = space.get("podautoscaler", "hello-00001")?;
    assert_eq!(scaler["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"], "3");
    Ok(())
}

fn routing_state(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    space.changed("hello", &to_version(space, "hello", "2"))?;
    let old = space.until("revision", "hello-00001", "reserve", |object| {
        label(object, "routingState") == "reserve"
    })?;
    ensure!(note(&old, "routes").is_empty(), "{}", old["metadata"]);
    assert_eq!(label(&space.get("revision", "hello-00002")?, "routingState"), "active");
    let both = json!({ "spec": { "traffic": [
        { "revisionName": "hello-00001", "percent": 0, "tag": "old" }, { "latestRevision": true, "percent": 100 },
    ] } });
    space.changed("hello", &both)?;
    space.until("revision", "hello-00001", "active by its tag", |object| {
        label(object, "routingState") == "active" && note(object, "routes") == "hello"
    })?;
    Ok(())
}

fn deletion(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let pod = space.pods("hello")?.pop().unwrap_or_default()["metadata"]["name"].take();
    let marked = space.delete_in_foreground("ksvc", "hello")?;
    let finalizers = &marked["metadata"]["finalizers"];
    ensure!(finalizers.to_string().contains("foregroundDeletion"), "{finalizers}");
    space.until_gone("ksvc", "hello")?;
    // Not soon, but before it.
    for (kind, name) in [
        ("configuration", "hello"),
        ("route", "hello"),
        ("revision", "hello-00001"),
        ("deployment", "hello-00001-deployment"),
        ("podautoscaler", "hello-00001"),
        ("service", "hello"),
        ("pod", pod.as_str().unwrap_or_default()),
    ] {
        let left = space.get(kind, name);
        ensure!(left.as_ref().is_err_and(|error| error.code == 404), "{kind} {name}: {left:?}");
    }
    Ok(())
}

fn names(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = version(space, "hello", "1");
    made["spec"]["traffic"] = json!([{ "latestRevision": true, "percent": 100, "tag": "now" }]);
    space.deploy(&made)?;
    for (kind, name) in [
        ("configuration", "hello"),
        ("route", "hello"),
        ("revision", "hello-00001"),
        ("deployment", "hello-00001-deployment"),
        ("podautoscaler", "hello-00001"),
        ("service", "hello"),
        ("service", "now-hello"),
    ] {
        space.get(kind, name)?;
    }
    let pod = space.pods("hello")?.pop().unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    ensure!(name.starts_with("hello-00001-deployment-"), "{name}");
    Ok(())
}

fn long_names(space: &Space<'_>) -> anyhow::Result<()> {
    // 63 less "-00001" and "-deployment" is too short for the Deployment, not for the Revision.
    let name = "a-service-with-a-name-that-goes-on-for-long-enough-000";
    space.deploy(&version(space, name, "1"))?;
    let revision = format!("{name}-00001");
    ensure!(revision.len() <= 63, "{revision}");
    let selector = format!("serving.knative.dev/service={name}");
    let deployment = space.list("deployment", &selector)?.pop().unwrap_or_default();
    let found = deployment["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    // The first 31 - len("-deployment") characters, an MD5 in hexadecimal, the suffix.
    ensure!(found.starts_with(&revision[..20]) && found.ends_with("-deployment"), "{found}");
    assert_eq!(found.len(), 63, "{found}");
    let digest = &found[20..52];
    ensure!(digest.chars().all(|c| c.is_ascii_hexdigit()), "{found}");
    Ok(())
}

fn numbers(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let pinned =
        json!({ "spec": { "traffic": [{ "revisionName": "hello-00001", "percent": 100 }] } });
    let ksvc = space.changed("hello", &pinned)?;
    assert_eq!(ksvc["metadata"]["generation"], 2);
    assert_eq!(space.get("configuration", "hello")?["metadata"]["generation"], 1);
    let ksvc = space.changed("hello", &to_version(space, "hello", "2"))?;
    assert_eq!(ksvc["metadata"]["generation"], 3);
    assert_eq!(ksvc["status"]["latestCreatedRevisionName"], "hello-00002");
    Ok(())
}

fn addresses(space: &Space<'_>) -> anyhow::Result<()> {
    let ksvc = space.deploy(&version(space, "hello", "1"))?;
    let inner = format!("http://hello.{}.svc.cluster.local", space.name);
    assert_eq!(ksvc["status"]["address"]["url"], inner);
    let url = ksvc["status"]["url"].as_str().unwrap_or_default();
    ensure!(url.contains(&format!("://hello.{}.", space.name)), "{url}");
    for kind in ["url", "address"] {
        assert_eq!(space.get("route", "hello")?["status"][kind], ksvc["status"][kind], "{kind}");
    }
    assert_eq!(space.get("service", "hello")?["spec"]["type"], "ExternalName");
    Ok(())
}

const VISIBILITY: &str = "networking.knative.dev/visibility";

fn local_url(space: &Space<'_>, host: &str) -> String {
    format!("http://{host}.{}.svc.cluster.local", space.name)
}

/// The status of the public listener's answer for a host, which is asked at the gateway of the URL `near`.
fn public(space: &Space<'_>, near: &Value, host: &str) -> anyhow::Result<u16> {
    let (gateway, _) = space.at(near)?;
    Ok(rouse_tests::http::send(gateway, host, "/", None)?.status)
}

/// What a pod of `from` gets at an address of the cluster.
fn from_inside(space: &Space<'_>, from: &Value, address: &Value) -> anyhow::Result<()> {
    let address = address.as_str().unwrap_or_default().trim_start_matches("http://");
    let (host, port) = address.split_once(':').unwrap_or((address, "80"));
    rouse_tests::wait::until_every(EVERY, "an answer inside", crate::cluster::READY, || {
        let said = space.body(from, &format!("/fetch/{host}/{port}/"));
        let said = said.map_err(|error| format!("{error:#}"))?;
        if said.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(said) }
    })
}

fn cluster_local(space: &Space<'_>) -> anyhow::Result<()> {
    let open = space.deploy(&version(space, "open", "1"))?;
    let near = &open["status"]["url"];
    let mut made = version(space, "hidden", "1");
    made["metadata"]["labels"] = json!({ VISIBILITY: "cluster-local" });
    let hidden = space.deploy(&made)?;
    assert_eq!(hidden["status"]["url"], local_url(space, "hidden"));
    let outside = space.at(near)?.1.replace("open.", "hidden.");
    let inside = format!("hidden.{}.svc.cluster.local", space.name);
    for host in [&outside, &inside] {
        assert_eq!(public(space, near, host)?, 404, "{host}");
    }
    // The inner name of a public Service is no public one either.
    assert_eq!(public(space, near, &inside.replace("hidden.", "open."))?, 404);
    // Both are known inside.
    from_inside(space, &open, &hidden["status"]["address"]["url"])?;
    from_inside(space, &open, &open["status"]["address"]["url"])?;
    // And it is the label that hides it.
    space.merge("ksvc", "hidden", &json!({ "metadata": { "labels": { VISIBILITY: null } } }))?;
    space.until("ksvc", "hidden", "a public URL", |object| {
        object["status"]["url"].as_str().is_some_and(|url| url.ends_with(&outside))
            && condition(object, "Ready")["status"] == "True"
    })?;
    assert_eq!(public(space, near, &outside)?, 200, "{outside}");
    assert_eq!(public(space, near, &inside)?, 404, "{inside}");
    Ok(())
}

fn visibility(space: &Space<'_>) -> anyhow::Result<()> {
    let before = space.deploy(&version(space, "hello", "1"))?;
    let hide = |value: Value| json!({ "metadata": { "labels": { VISIBILITY: value } } });
    space.merge("ksvc", "hello", &hide(json!("cluster-local")))?;
    let hidden = space.until("ksvc", "hello", "an inner URL", |object| {
        object["status"]["url"] == local_url(space, "hello")
            && condition(object, "Ready")["status"] == "True"
    })?;
    assert_eq!(hidden["metadata"]["generation"], 1);
    space.merge("ksvc", "hello", &hide(Value::Null))?;
    let shown = space.until("ksvc", "hello", "its URL again", |object| {
        object["status"]["url"] == before["status"]["url"]
            && condition(object, "Ready")["status"] == "True"
    })?;
    assert_eq!(space.body(&shown, "/")?, "version 1 of hello-00001");
    Ok(())
}

fn tag_visibility(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({}));
    made["spec"]["traffic"] = json!([{ "latestRevision": true, "percent": 100, "tag": "inner" }]);
    let before = space.deploy(&made)?;
    space.merge(
        "service",
        "inner-hello",
        &json!({ "metadata": { "labels": { VISIBILITY: "cluster-local" } } }),
    )?;
    let after = space.until("ksvc", "hello", "an inner URL of the tag", |object| {
        object["status"]["traffic"][0]["url"] == local_url(space, "inner-hello")
    })?;
    assert_eq!(after["status"]["url"], before["status"]["url"]);
    assert_eq!(space.call(&after, "/")?.status, 200);
    Ok(())
}

//! 3.2: what admission fills in.

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::Space;
use crate::manifests::{container, env, service, set, version, with};

pub(crate) const CASES: &[Case] = &[
    ("s3_2::an_empty_spec_gets_the_documented_values", empty),
    ("s3_2::a_timeout_of_zero_is_the_default", zero_timeout),
    ("s3_2::other_timeouts_stay_unset", other_timeouts),
    ("s3_2::containers_get_numbered_names", names),
    ("s3_2::a_probe_with_a_period_gets_its_other_figures", probe_figures),
    ("s3_2::a_grpc_probe_asks_for_the_empty_service", grpc),
    ("s3_2::only_the_serving_container_gets_a_readiness_probe", sidecar_probe),
    ("s3_2::mounts_are_read_only_but_of_an_emptydir", mounts),
    ("s3_2::traffic_targets_say_latest_and_percent", traffic),
    ("s3_2::creator_and_last_modifier_are_noted", creator),
    ("s3_2::a_configuration_of_its_own_is_defaulted_too", configuration),
    ("s3_2::a_domain_mapping_refers_to_its_own_namespace", mapping),
    ("s3_2::defaults_do_not_change_when_written_again", idempotent),
];

fn dry(space: &Space<'_>, service: &Value) -> anyhow::Result<Value> {
    Ok(space.dry_run("ksvc", service)?)
}

fn empty(space: &Space<'_>) -> anyhow::Result<()> {
    let mut plain = service(space, "hello", json!({}));
    if let Some(spec) = plain["spec"]["template"]["spec"].as_object_mut() {
        spec.remove("timeoutSeconds");
    }
    let made = dry(space, &plain)?;
    let spec = &made["spec"]["template"]["spec"];
    assert_eq!(spec["timeoutSeconds"], 300);
    assert_eq!(spec["containerConcurrency"], 0);
    assert_eq!(spec["enableServiceLinks"], false);
    let container = container(&made);
    assert_eq!(container["name"], "user-container");
    assert_eq!(container["resources"], json!({}));
    assert_eq!(container["readinessProbe"]["successThreshold"], 1);
    ensure!(container["readinessProbe"]["tcpSocket"].is_object(), "{container}");
    let all = json!([{ "latestRevision": true, "percent": 100 }]);
    assert_eq!(made["spec"]["traffic"], all);
    Ok(())
}

fn zero_timeout(space: &Space<'_>) -> anyhow::Result<()> {
    let made =
        dry(space, &with(space, "hello", json!({}), json!({ "timeoutSeconds": 0 }), json!({})))?;
    assert_eq!(made["spec"]["template"]["spec"]["timeoutSeconds"], 300);
    Ok(())
}

fn other_timeouts(space: &Space<'_>) -> anyhow::Result<()> {
    let made = dry(space, &service(space, "hello", json!({})))?;
    let spec = &made["spec"]["template"]["spec"];
    for field in ["responseStartTimeoutSeconds", "idleTimeoutSeconds"] {
        ensure!(spec[field].is_null(), "{field}: {spec}");
    }
    Ok(())
}

/// Containers of the test server, the first with a port.
fn several(space: &Space<'_>, more: &[Value]) -> Value {
    let mut made = service(space, "hello", json!({ "ports": [{ "containerPort": 8080 }] }));
    let list = made["spec"]["template"]["spec"]["containers"].as_array_mut();
    list.into_iter().for_each(|list| list.extend(more.iter().cloned()));
    made
}

fn names(space: &Space<'_>) -> anyhow::Result<()> {
    let image = &space.cluster.image;
    let made = dry(
        space,
        &several(space, &[json!({ "image": image }), json!({ "image": image, "name": "mine" })]),
    )?;
    let list = made["spec"]["template"]["spec"]["containers"].as_array().cloned();
    let names: Vec<_> = list.into_iter().flatten().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["user-container-0", "user-container-1", "mine"]);
    Ok(())
}

fn probe_figures(space: &Space<'_>) -> anyhow::Result<()> {
    let probe = json!({ "httpGet": { "path": "/ready" }, "periodSeconds": 5 });
    let made = dry(space, &service(space, "hello", json!({ "readinessProbe": probe })))?;
    let probe = &container(&made)["readinessProbe"];
    assert_eq!(
        (&probe["failureThreshold"], &probe["timeoutSeconds"], &probe["successThreshold"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let aggressive = dry(
        space,
        &service(space, "hello", json!({ "readinessProbe": { "httpGet": { "path": "/" } } })),
    )?;
    let probe = &container(&aggressive)["readinessProbe"];
    ensure!(probe["periodSeconds"].as_i64().unwrap_or(0) == 0, "{probe}");
    ensure!(probe["failureThreshold"].as_i64().unwrap_or(0) == 0, "{probe}");
    Ok(())
}

fn grpc(space: &Space<'_>) -> anyhow::Result<()> {
    let probes = json!({ "readinessProbe": { "grpc": { "port": 8080 } }, "livenessProbe": { "grpc": { "port": 8080 } } });
    let made = dry(space, &service(space, "hello", probes))?;
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(container(&made)[probe]["grpc"]["service"], "", "{probe}");
    }
    Ok(())
}

fn sidecar_probe(space: &Space<'_>) -> anyhow::Result<()> {
    let made = dry(space, &several(space, &[json!({ "image": space.cluster.image })]))?;
    let list = &made["spec"]["template"]["spec"]["containers"];
    ensure!(list[0]["readinessProbe"]["tcpSocket"].is_object(), "{list}");
    ensure!(list[1]["readinessProbe"].is_null(), "{list}");
    Ok(())
}

fn mounts(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(
        space,
        "hello",
        json!({ "volumeMounts": [{ "name": "map", "mountPath": "/map" }, { "name": "scratch", "mountPath": "/scratch" }] }),
    );
    set(
        &mut made,
        "spec.template.spec.volumes",
        json!([{ "name": "map", "configMap": { "name": "m" } }, { "name": "scratch", "emptyDir": {} }]),
    );
    let made = dry(space, &made)?;
    let mounts = &container(&made)["volumeMounts"];
    assert_eq!(mounts[0]["readOnly"], true);
    ensure!(mounts[1]["readOnly"] != true, "{mounts}");
    Ok(())
}

fn traffic(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "hello", json!({}));
    made["spec"]["traffic"] =
        json!([{ "percent": 100 }, { "revisionName": "hello-00001", "tag": "old" }]);
    let made = dry(space, &made)?;
    assert_eq!(
        made["spec"]["traffic"],
        json!([
            { "percent": 100, "latestRevision": true },
            { "revisionName": "hello-00001", "tag": "old", "percent": 0, "latestRevision": false },
        ])
    );
    Ok(())
}

fn creator(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    let mut creators = Vec::new();
    for kind in ["ksvc", "configuration", "route"] {
        let notes = space.get(kind, "hello")?["metadata"]["annotations"].clone();
        for note in ["serving.knative.dev/creator", "serving.knative.dev/lastModifier"] {
            creators.push(notes[note].as_str().unwrap_or_default().to_owned());
        }
    }
    ensure!(!creators[0].is_empty() && creators.iter().all(|c| *c == creators[0]), "{creators:?}");
    let other =
        json!({ "metadata": { "annotations": { "serving.knative.dev/creator": "nobody" } } });
    let refused = space.merge("ksvc", "hello", &other).err().map(|e| e.message).unwrap_or_default();
    ensure!(refused.contains("annotation value is immutable"), "{refused}");
    Ok(())
}

fn configuration(space: &Space<'_>) -> anyhow::Result<()> {
    let mut made = service(space, "alone", json!({}));
    made["kind"] = json!("Configuration");
    let made = space.dry_run("configuration", &made)?;
    assert_eq!(container(&made)["name"], "user-container");
    ensure!(made["metadata"]["annotations"]["serving.knative.dev/creator"].is_string(), "{made}");
    Ok(())
}

fn mapping(space: &Space<'_>) -> anyhow::Result<()> {
    let made = space.dry_run(
        "domainmapping",
        &json!({
            "apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping",
            "metadata": { "name": "hello.example.org" },
            "spec": { "ref": { "name": "hello", "kind": "Service", "apiVersion": "serving.knative.dev/v1" } },
        }),
    )?;
    assert_eq!(made["spec"]["ref"]["namespace"], space.name.as_str());
    Ok(())
}

fn idempotent(space: &Space<'_>) -> anyhow::Result<()> {
    let stored = space.create("ksvc", &service(space, "hello", env(&[("A", "b")])))?;
    let mut again = stored.clone();
    again["metadata"] = json!({ "name": "again" });
    let again = dry(space, &again)?;
    assert_eq!(again["spec"], stored["spec"]);
    Ok(())
}

//! 3.10 and 4: settings of the whole cluster. Each of these tests has a cluster of its own.

use std::time::Duration;

use anyhow::ensure;
use rouse_tests::wait;
use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{Refusal, SOON, Space};
use crate::manifests::{container, service, to_version, version};

pub(crate) const CASES: &[Case] = &[
    ("s4::a_setting_of_config_defaults_is_followed", defaults),
    ("s4::a_setting_that_cannot_be_read_is_refused", refused),
    ("s4::an_edited_example_is_refused", example),
    ("s4::a_domain_and_its_template", domain),
    ("s4::secure_pod_defaults", secure),
    ("s4::tag_header_routing", tag_header),
];

/// Sets keys of a ConfigMap in the system namespace.
fn setting(space: &Space<'_>, map: &str, data: &Value) -> Result<Value, Refusal> {
    let system = Space { cluster: space.cluster, name: "knative-serving".to_owned() };
    let set = system.merge("configmap", map, &json!({ "data": data }));
    // The system namespace outlives the test.
    std::mem::forget(system);
    set
}

/// What a look says once the settings are followed.
fn soon<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    wait::until_every(Duration::from_millis(50), what, SOON, || {
        look().map_err(|e| format!("{e:#}"))
    })
}

fn defaults(space: &Space<'_>) -> anyhow::Result<()> {
    let data = json!({ "revision-timeout-seconds": "123", "container-name-template": "{{.Name}}",
        "revision-cpu-request": "50m" });
    setting(space, "config-defaults", &data)?;
    let mut made = service(space, "hello", json!({}));
    if let Some(spec) = made["spec"]["template"]["spec"].as_object_mut() {
        spec.remove("timeoutSeconds");
    }
    soon("the defaults", || {
        let made = space.dry_run("ksvc", &made)?;
        let (spec, container) = (&made["spec"]["template"]["spec"], container(&made));
        ensure!(spec["timeoutSeconds"] == 123, "{spec}");
        ensure!(container["name"] == "hello", "{container}");
        ensure!(container["resources"]["requests"]["cpu"] == "50m", "{container}");
        Ok(())
    })
}

fn refused(space: &Space<'_>) -> anyhow::Result<()> {
    for (map, key, value) in [
        ("config-defaults", "revision-timeout-seconds", "soon"),
        ("config-autoscaler", "stable-window", "1s"),
        ("config-autoscaler", "enable-scale-to-zero", "maybe"),
        ("config-network", "domain-template", "{{.Nothing}}"),
        ("config-gc", "min-non-active-revisions", "-5"),
        ("config-deployment", "progress-deadline", "0s"),
    ] {
        let answer = setting(space, map, &json!({ key: value }));
        let message = answer.err().map(|e| e.message);
        let words = "validation failed";
        ensure!(
            message.as_deref().is_some_and(|m| m.contains(words)),
            "{map} {key}={value}: {message:?}"
        );
    }
    // Other values of a feature are ignored.
    setting(space, "config-features", &json!({ "multi-container": "perhaps" }))?;
    Ok(())
}

fn example(space: &Space<'_>) -> anyhow::Result<()> {
    let system = Space { cluster: space.cluster, name: "knative-serving".to_owned() };
    let checksum = json!({ "metadata": { "annotations": { "knative.dev/example-checksum": "00000000" } },
        "data": { "_example": "edited" } });
    let answer = system.merge("configmap", "config-defaults", &checksum);
    std::mem::forget(system);
    ensure!(answer.is_err(), "an edited example is taken: {answer:?}");
    Ok(())
}

fn domain(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    setting(space, "config-domain", &json!({ "example.test": "" }))?;
    setting(
        space,
        "config-network",
        &json!({ "domain-template": "{{.Name}}--{{.Namespace}}.{{.Domain}}" }),
    )?;
    let ksvc = space.until("ksvc", "hello", "the new host", |object| {
        let url = object["status"]["url"].as_str().unwrap_or_default();
        url.contains(&format!("://hello--{}.", space.name))
    })?;
    assert_eq!(
        space.body(&space.ready("ksvc", "hello")?, "/")?,
        "version 1 of hello-00001",
        "{ksvc}"
    );
    Ok(())
}

fn secure(space: &Space<'_>) -> anyhow::Result<()> {
    setting(space, "config-features", &json!({ "secure-pod-defaults": "Enabled" }))?;
    soon("the feature", || {
        let made = space.dry_run(
            "ksvc",
            &service(space, "hello", json!({ "ports": [{ "containerPort": 80 }] })),
        )?;
        let expected = json!({ "allowPrivilegeEscalation": false, "runAsNonRoot": true,
            "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] },
            "seccompProfile": { "type": "RuntimeDefault" } });
        let found = &container(&made)["securityContext"];
        ensure!(*found == expected, "{found}");
        Ok(())
    })
}

fn tag_header(space: &Space<'_>) -> anyhow::Result<()> {
    setting(space, "config-features", &json!({ "tag-header-based-routing": "enabled" }))?;
    space.deploy(&version(space, "hello", "1"))?;
    let mut next = to_version(space, "hello", "2");
    next["spec"]["traffic"] = json!([
        { "revisionName": "hello-00001", "percent": 100 },
        { "latestRevision": true, "percent": 0, "tag": "now" },
    ]);
    let ksvc = space.changed("hello", &next)?;
    let tagged = [("Knative-Serving-Tag", "now")];
    soon("the tag's revision", || {
        let answer = space.call_with(&ksvc["status"]["url"], "/", &tagged, None)?;
        ensure!(answer.body == "version 2 of hello-00002", "{answer:?}");
        Ok(())
    })?;
    let unknown = [("Knative-Serving-Tag", "nothing")];
    let answer = space.call_with(&ksvc["status"]["url"], "/headers", &unknown, None)?;
    ensure!(
        answer.body.to_lowercase().contains("knative-serving-default-route: true"),
        "{answer:?}"
    );
    assert_eq!(space.body(&ksvc, "/")?, "version 1 of hello-00001");
    Ok(())
}

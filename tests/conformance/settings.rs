//! 3.10 and 4: settings of the whole cluster. Each of these tests has a cluster of its own.

use std::time::Duration;

use anyhow::{Context, ensure};
use rouse_tests::wait;
use serde_json::json;

use crate::Case;
use crate::cluster::{SOON, Space, condition};
use crate::conditions::mapping;
use crate::manifests::{container, scaled, service, to_version, version};
use crate::scale_bounds::{scale, until_scale};

pub(crate) const CASES: &[Case] = &[
    ("s4::a_setting_of_config_defaults_is_followed", defaults),
    ("s4::a_setting_that_cannot_be_read_is_refused", refused),
    ("s4::an_edited_example_is_refused", example),
    ("s4::a_domain_and_its_template", domain),
    ("s4::secure_pod_defaults", secure),
    ("s4::tag_header_routing", tag_header),
    ("s4::scales_of_config_autoscaler_are_every_revisions", scales),
    ("s4::a_limit_of_max_scale", max_scale_limit),
    ("s5_1::an_initial_scale_of_zero_is_ready_without_a_pod", zero_initial_scale),
    ("s5_5::one_pod_stays_where_scale_to_zero_is_off", no_zero),
    ("s3_10::old_revisions_are_collected", collected),
    ("s4::domains_are_claimed_by_their_mappings_where_that_is_allowed", claimed),
];

/// What a look says once the settings are followed.
fn soon<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    wait::until_every(Duration::from_millis(50), what, SOON, || {
        look().map_err(|e| format!("{e:#}"))
    })
}

fn defaults(space: &Space<'_>) -> anyhow::Result<()> {
    let data = json!({ "revision-timeout-seconds": "123", "container-name-template": "{{.Name}}",
        "revision-cpu-request": "50m" });
    space.cluster.set("config-defaults", &data)?;
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
        let answer = space.cluster.set(map, &json!({ key: value }));
        let message = answer.err().map(|e| e.message);
        let words = "validation failed";
        ensure!(
            message.as_deref().is_some_and(|m| m.contains(words)),
            "{map} {key}={value}: {message:?}"
        );
    }
    // Other values of a feature are ignored.
    space.cluster.set("config-features", &json!({ "multi-container": "perhaps" }))?;
    Ok(())
}

fn example(space: &Space<'_>) -> anyhow::Result<()> {
    let edited = json!({ "metadata": { "annotations": { "knative.dev/example-checksum": "00000000" } },
        "data": { "_example": "edited" } });
    let refused = space.cluster.change("config-defaults", &edited).err();
    let refused = refused.context("an edited example is taken")?;
    ensure!(refused.message.contains("_example"), "{refused}");
    Ok(())
}

fn domain(space: &Space<'_>) -> anyhow::Result<()> {
    space.deploy(&version(space, "hello", "1"))?;
    space.cluster.set("config-domain", &json!({ "example.test": "" }))?;
    space.cluster.set(
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
    space.cluster.set("config-features", &json!({ "secure-pod-defaults": "Enabled" }))?;
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
    space.cluster.set("config-features", &json!({ "tag-header-based-routing": "enabled" }))?;
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

fn scales(space: &Space<'_>) -> anyhow::Result<()> {
    let data = json!({ "min-scale": "2", "max-scale": "3" });
    space.cluster.set("config-autoscaler", &data)?;
    space.deploy(&version(space, "hello", "1"))?;
    until_scale(space, "hello-00001", 2)?;
    // Live, and for Revisions that are there.
    space.cluster.set("config-autoscaler", &json!({ "min-scale": "3" }))?;
    until_scale(space, "hello-00001", 3)?;
    let ksvc = space.deploy(&scaled(space, "own", json!({}), &[("min-scale", "1")]))?;
    assert_eq!(space.call(&ksvc, "/")?.status, 200);
    assert_eq!(scale(space, "own-00001")?.1, 1, "an annotation stands above the setting");
    Ok(())
}

fn max_scale_limit(space: &Space<'_>) -> anyhow::Result<()> {
    let data = json!({ "max-scale-limit": "5", "max-scale": "4" });
    space.cluster.set("config-autoscaler", &data)?;
    let with_max = |max: &'static str| scaled(space, "hello", json!({}), &[("max-scale", max)]);
    soon("the limit", || {
        let refused = space.dry_run("ksvc", &with_max("6")).err().context("6 of 5 is taken")?;
        ensure!(refused.message.contains("max-scale"), "{refused}");
        let unbounded = space.dry_run("ksvc", &with_max("0")).err();
        ensure!(unbounded.is_some(), "no bound at all is taken");
        Ok(())
    })?;
    space.dry_run("ksvc", &with_max("5"))?;
    Ok(())
}

fn zero_initial_scale(space: &Space<'_>) -> anyhow::Result<()> {
    space.cluster.set("config-autoscaler", &json!({ "allow-zero-initial-scale": "true" }))?;
    let made = scaled(space, "hello", json!({}), &[("initial-scale", "0")]);
    soon("the permission", || space.create("ksvc", &made).map(drop))?;
    let ksvc = space.ready("ksvc", "hello")?;
    assert_eq!(space.pods("hello")?.len(), 0);
    assert_eq!(space.body(&ksvc, "/env/K_REVISION")?, "hello-00001");
    until_scale(space, "hello-00001", 1)
}

fn no_zero(space: &Space<'_>) -> anyhow::Result<()> {
    let data = json!({ "enable-scale-to-zero": "false", "stable-window": "6s" });
    space.cluster.set("config-autoscaler", &data)?;
    let ksvc = space.deploy(&scaled(space, "hello", json!({}), &[("initial-scale", "2")]))?;
    assert_eq!(space.call(&ksvc, "/")?.status, 200);
    until_scale(space, "hello-00001", 1)?;
    wait::holds("one pod", Duration::from_secs(9), || {
        let found = scale(space, "hello-00001")?;
        ensure!(found == (1, 1), "{found:?}");
        Ok(())
    })?;
    // What kept it was the setting.
    space.cluster.set("config-autoscaler", &json!({ "enable-scale-to-zero": "true" }))?;
    until_scale(space, "hello-00001", 0)
}

fn collected(space: &Space<'_>) -> anyhow::Result<()> {
    let data = json!({ "min-non-active-revisions": "0", "max-non-active-revisions": "1",
        "retain-since-create-time": "disabled", "retain-since-last-active-time": "disabled" });
    space.cluster.set("config-gc", &data)?;
    let mut made = version(space, "hello", "1");
    made["spec"]["template"]["metadata"]["annotations"] =
        json!({ "serving.knative.dev/no-gc": "true" });
    space.deploy(&made)?;
    let without = json!({ "spec": { "template": { "metadata": { "annotations": { "serving.knative.dev/no-gc": null } } } } });
    space.changed("hello", &without)?;
    for n in 3..6 {
        space.changed("hello", &to_version(space, "hello", &n.to_string()))?;
    }
    // The latest, one that is not active, and the one that may not be collected.
    soon("the end of the others", || {
        let mut names: Vec<_> = space
            .list("revision", "serving.knative.dev/service=hello")?
            .iter()
            .map(|revision| revision["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        ensure!(names == ["hello-00001", "hello-00004", "hello-00005"], "{names:?}");
        Ok(())
    })
}

fn claimed(space: &Space<'_>) -> anyhow::Result<()> {
    let other = Space::new(space.cluster, "other")?;
    let domain = format!("{}.example.org", space.name);
    space.deploy(&version(space, "hello", "1"))?;
    other.deploy(&version(&other, "hello", "2"))?;
    space.create("domainmapping", &mapping(&domain))?;
    let refused = space.until("domainmapping", &domain, "no claim", |object| {
        condition(object, "DomainClaimed")["status"] == "False"
    })?;
    assert_eq!(condition(&refused, "DomainClaimed")["reason"], "DomainClaimFailed", "{refused}");
    space.cluster.set("config-network", &json!({ "autocreate-cluster-domain-claims": "true" }))?;
    let mapped = space.ready("domainmapping", &domain)?;
    other.create("domainmapping", &mapping(&domain))?;
    let second = other.until("domainmapping", &domain, "a claim refused", |object| {
        condition(object, "DomainClaimed")["reason"] == "DomainAlreadyClaimed"
    })?;
    assert_eq!(condition(&second, "Ready")["status"], "False", "{second}");
    let answer = space.call_with(&mapped["status"]["url"], "/", &[], None)?;
    assert_eq!(answer.body, "version 1 of hello-00001");
    // The claim goes with the mapping that made it.
    space.delete("domainmapping", &domain)?;
    let second = other.ready("domainmapping", &domain)?;
    let answer = space.call_with(&second["status"]["url"], "/", &[], None)?;
    assert_eq!(answer.body, "version 2 of hello-00001");
    Ok(())
}

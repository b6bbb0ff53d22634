//! Defaults of documents with required fields only.

use super::*;
use crate::config::{ApiConfig, Data};

fn create(config: &ApiConfig) -> Request<'_> {
    Request { config, user: "alice", old: None }
}

fn minimal() -> Value {
    json!({
        "metadata": { "name": "hello", "namespace": "prod" },
        "spec": { "template": { "spec": { "containers": [{ "image": "dev.local/hello" }] } } },
    })
}

fn configured(name: &str, pairs: &[(&str, &str)]) -> ApiConfig {
    let data: Data = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut config = ApiConfig::default();
    config.apply(name, &data).unwrap();
    config
}

#[test]
fn a_minimal_service_gets_all_defaults() {
    let mut object = minimal();
    service(&mut object, create(&ApiConfig::default()));
    assert_eq!(
        object,
        json!({
            "metadata": {
                "name": "hello",
                "namespace": "prod",
                "annotations": {
                    "serving.knative.dev/creator": "alice",
                    "serving.knative.dev/lastModifier": "alice",
                },
            },
            "spec": {
                "template": { "spec": {
                    "containerConcurrency": 0,
                    "timeoutSeconds": 300,
                    "enableServiceLinks": false,
                    "containers": [{
                        "name": "user-container",
                        "image": "dev.local/hello",
                        "resources": {},
                        "readinessProbe": { "tcpSocket": { "port": 0 }, "successThreshold": 1 },
                    }],
                } },
                "traffic": [{ "latestRevision": true, "percent": 100 }],
            },
        })
    );
}

#[test]
fn defaulting_twice_changes_nothing_more() {
    let mut object = minimal();
    let config = ApiConfig::default();
    service(&mut object, create(&config));
    let once = object.clone();
    service(&mut object, Request { config: &config, user: "bob", old: Some(&once) });
    assert_eq!(object, once);
}

#[test]
fn the_last_modifier_follows_the_spec_alone() {
    let config = ApiConfig::default();
    let mut old = minimal();
    service(&mut old, create(&config));
    let update = |new: &mut Value| {
        service(new, Request { config: &config, user: "bob", old: Some(&old) });
        new["metadata"]["annotations"][keys::LAST_MODIFIER].clone()
    };
    let mut relabelled = old.clone();
    relabelled["metadata"]["labels"] = json!({ "a": "b" });
    assert_eq!(update(&mut relabelled), "alice");
    let mut changed = old.clone();
    changed["spec"]["template"]["spec"]["timeoutSeconds"] = json!(5);
    assert_eq!(update(&mut changed), "bob");
    assert_eq!(changed["metadata"]["annotations"][keys::CREATOR], "alice");
}

#[test]
fn children_keep_the_annotations_of_their_service() {
    let config = ApiConfig::default();
    let mut child = minimal();
    child["metadata"]["ownerReferences"] = json!([{ "kind": "Service", "name": "hello" }]);
    configuration(&mut child, create(&config));
    assert_eq!(child["metadata"].get("annotations"), None);
    let mut alone = minimal();
    configuration(&mut alone, create(&config));
    assert_eq!(alone["metadata"]["annotations"][keys::CREATOR], "alice");
}

#[test]
fn a_named_template_that_stays_is_left_alone() {
    let config = configured("config-defaults", &[("revision-timeout-seconds", "100")]);
    let mut old = minimal();
    old["spec"]["template"]["metadata"] = json!({ "name": "hello-first" });
    let mut new = old.clone();
    service(&mut new, Request { config: &config, user: "bob", old: Some(&old) });
    assert_eq!(new["spec"]["template"], old["spec"]["template"]);
    new["spec"]["template"]["metadata"]["name"] = json!("hello-second");
    service(&mut new, Request { config: &config, user: "bob", old: Some(&old) });
    assert_eq!(new["spec"]["template"]["spec"]["timeoutSeconds"], 100);
}

#[test]
fn a_named_template_that_is_sent_again_without_its_defaults_is_unchanged() {
    let config = ApiConfig::default();
    let mut sent = minimal();
    sent["spec"]["template"]["metadata"] = json!({ "name": "hello-first" });
    let mut old = sent.clone();
    service(&mut old, create(&config));
    let mut again = sent.clone();
    service(&mut again, Request { config: &config, user: "bob", old: Some(&old) });
    assert_eq!(again["spec"], old["spec"]);
    let mut other = sent;
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("another");
    let undefaulted = other["spec"]["template"].clone();
    service(&mut other, Request { config: &config, user: "bob", old: Some(&old) });
    assert_eq!(other["spec"]["template"], undefaulted);
}

#[test]
fn the_clusters_settings_fill_in() {
    let config = configured(
        "config-defaults",
        &[
            ("revision-timeout-seconds", "200"),
            ("revision-response-start-timeout-seconds", "50"),
            ("revision-idle-timeout-seconds", "20"),
            ("revision-memory-limit", "100M"),
            ("container-name-template", "{{.Name}}-{{.Namespace}}"),
            ("container-concurrency", "3"),
            ("enable-service-links", "default"),
        ],
    );
    let mut object = minimal();
    service(&mut object, create(&config));
    let spec = &object["spec"]["template"]["spec"];
    assert_eq!(spec["timeoutSeconds"], 200);
    assert_eq!(spec["responseStartTimeoutSeconds"], 50);
    assert_eq!(spec["idleTimeoutSeconds"], 20);
    assert_eq!(spec["containerConcurrency"], 3);
    assert_eq!(spec.get("enableServiceLinks"), None);
    assert_eq!(spec["containers"][0]["name"], "hello-prod");
    assert_eq!(spec["containers"][0]["resources"]["limits"]["memory"], "100M");
}

#[test]
fn container_names_do_not_collide() {
    let mut object = minimal();
    object["spec"]["template"]["spec"]["containers"] = json!([
        { "image": "a", "ports": [{ "containerPort": 80 }] },
        { "image": "b", "name": "user-container-1" },
        { "image": "c" },
    ]);
    service(&mut object, create(&ApiConfig::default()));
    let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let names: Vec<_> = containers.iter().map(|c| c.text("name")).collect();
    assert_eq!(names, ["user-container-0", "user-container-1", "user-container-2"]);
    // Only the one that serves gets a probe.
    assert!(containers[0].has("readinessProbe") && !containers[2].has("readinessProbe"));
}

#[test]
fn a_probe_with_a_period_gets_kubernetes_defaults() {
    let mut object = minimal();
    object["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({ "httpGet": { "path": "/" }, "periodSeconds": 4 });
    object["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] =
        json!({ "grpc": { "port": 80 } });
    service(&mut object, create(&ApiConfig::default()));
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["readinessProbe"],
        json!({
            "httpGet": { "path": "/" }, "periodSeconds": 4,
            "successThreshold": 1, "failureThreshold": 3, "timeoutSeconds": 1,
        })
    );
    assert_eq!(container["livenessProbe"], json!({ "grpc": { "port": 80, "service": "" } }));
}

#[test]
fn mounts_of_volumes_that_cannot_be_written_are_read_only() {
    let mut object = minimal();
    let spec = &mut object["spec"]["template"]["spec"];
    spec["volumes"] =
        json!([{ "name": "tmp", "emptyDir": {} }, { "name": "cfg", "configMap": { "name": "c" } }]);
    spec["containers"][0]["volumeMounts"] =
        json!([{ "name": "tmp", "mountPath": "/tmp" }, { "name": "cfg", "mountPath": "/cfg" }]);
    service(&mut object, create(&ApiConfig::default()));
    let mounts = &object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
    assert_eq!(mounts[0].get("readOnly"), None);
    assert_eq!(mounts[1]["readOnly"], true);
}

#[test]
fn secure_defaults_come_with_their_feature() {
    let config = configured("config-features", &[("secure-pod-defaults", "enabled")]);
    let mut object = minimal();
    object["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 80 }]);
    service(&mut object, create(&config));
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"][0]["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
            "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] },
        })
    );
}

#[test]
fn traffic_targets_get_their_defaults() {
    let mut object = json!({
        "metadata": { "name": "r" },
        "spec": { "traffic": [
            { "revisionName": "hello-00001", "percent": 100 },
            { "configurationName": "hello", "tag": "next" },
        ] },
    });
    route(&mut object, create(&ApiConfig::default()));
    assert_eq!(
        object["spec"]["traffic"],
        json!([
            { "revisionName": "hello-00001", "percent": 100, "latestRevision": false },
            { "configurationName": "hello", "tag": "next", "latestRevision": true, "percent": 0 },
        ])
    );
}

#[test]
fn a_mapping_points_into_its_own_namespace() {
    let mut object = json!({
        "metadata": { "name": "a.example.org", "namespace": "prod" },
        "spec": { "ref": { "kind": "Service", "name": "hello" } },
    });
    domain_mapping(&mut object, create(&ApiConfig::default()));
    assert_eq!(object["spec"]["ref"]["namespace"], "prod");
}

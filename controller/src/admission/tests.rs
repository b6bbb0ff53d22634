//! Answers of the admission hooks.

mod mutated;
mod tried;

use super::*;
use serde_json::json;

fn request(
    kind: &str,
    operation: &str,
    object: Value,
    old: Option<Value>,
) -> AdmissionRequest<DynamicObject> {
    let (group, resource) = match kind {
        "ConfigMap" => ("", "configmaps".to_owned()),
        other => (keys::SERVING_GROUP, format!("{}s", other.to_lowercase())),
    };
    let version = if kind == "DomainMapping" { "v1beta1" } else { "v1" };
    serde_json::from_value(json!({
        "uid": "7",
        "kind": { "group": group, "version": version, "kind": kind },
        "resource": { "group": group, "version": version, "resource": resource },
        "name": object["metadata"]["name"],
        "namespace": object["metadata"]["namespace"],
        "operation": operation,
        "userInfo": { "username": "alice" },
        "object": object,
        "oldObject": old,
        "dryRun": false,
    }))
    .unwrap()
}

fn service() -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": { "name": "hello", "namespace": "prod" },
        "spec": { "template": { "spec": { "containers": [{ "image": "dev.local/hello" }] } } },
    })
}

fn setting(name: &str, annotations: Value, data: Value) -> AdmissionRequest<DynamicObject> {
    request(
        "ConfigMap",
        "UPDATE",
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "knative-serving", "annotations": annotations },
            "data": data,
        }),
        None,
    )
}

/// The object after the patch of a response.
fn patched(mut object: Value, response: &AdmissionResponse) -> Value {
    let patch: json_patch::Patch =
        serde_json::from_slice(response.patch.as_deref().unwrap()).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

#[test]
fn defaults_come_as_a_patch_that_is_empty_the_second_time() {
    let config = ApiConfig::default();
    let response = mutate(&request("Service", "CREATE", service(), None), &config);
    assert!(response.allowed);
    let object = patched(service(), &response);
    assert_eq!(object["metadata"]["annotations"][keys::CREATOR], "alice");
    assert_eq!(object["spec"]["template"]["spec"]["timeoutSeconds"], 300);
    assert_eq!(object["spec"]["traffic"], json!([{ "latestRevision": true, "percent": 100 }]));
    let again = request("Service", "UPDATE", object.clone(), Some(object));
    assert_eq!(mutate(&again, &config).patch, None);
    assert!(validate(&again, &config).allowed);
}

#[test]
fn a_denial_is_knatives_text_with_400() {
    let config = ApiConfig::default();
    let mut object = service();
    object["spec"]["template"]["spec"]["timeoutSeconds"] = json!(9999);
    object["spec"]["traffic"] = json!([{ "percent": 100 }]);
    let response = validate(&request("Service", "CREATE", object, None), &config);
    assert!(!response.allowed);
    assert_eq!(response.uid, "7");
    assert_eq!((response.result.code, response.result.reason.as_str()), (400, "BadRequest"));
    assert_eq!(
        response.result.message,
        "validation failed: expected 0 <= 9999 <= 600: spec.template.spec.timeoutSeconds"
    );
}

#[test]
fn an_object_that_cannot_be_decoded_is_refused_by_both_hooks() {
    let config = ApiConfig::default();
    let mut object = service();
    object["spec"]["traffic"] = json!("all of it");
    let asked = request("Service", "CREATE", object, None);
    let mutated = mutate(&asked, &config).result.message;
    assert!(
        mutated.starts_with(
            "mutation failed: cannot decode incoming new object: spec.traffic: invalid type"
        ),
        "{mutated}"
    );
    let validated = validate(&asked, &config).result.message;
    assert!(
        validated.starts_with("decoding request failed: cannot decode incoming new object: "),
        "{validated}"
    );
}

#[test]
fn the_field_that_cannot_be_decoded_is_named() {
    let mut object = service();
    object["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "A", "value": 465 }]);
    let said =
        mutate(&request("Service", "CREATE", object, None), &ApiConfig::default()).result.message;
    assert_eq!(
        said,
        "mutation failed: cannot decode incoming new object: spec.template.spec.containers[0].env[0].value: \
         invalid type: integer `465`, expected a string; write it in quotes"
    );
}

#[test]
fn deletions_subresources_and_other_kinds_pass() {
    let config = ApiConfig::default();
    let bad = json!({ "metadata": { "name": "X" } });
    let mut status = request("Service", "UPDATE", bad.clone(), None);
    status.sub_resource = Some("status".to_owned());
    let mut other = request("Service", "CREATE", bad.clone(), None);
    other.kind.group = "example.com".to_owned();
    let mut leaving = service();
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    leaving["spec"]["template"]["spec"]["timeoutSeconds"] = json!(9999);
    for asked in [
        request("Service", "DELETE", bad, None),
        status,
        other,
        request("Service", "UPDATE", leaving, Some(service())),
    ] {
        assert!(validate(&asked, &config).allowed);
        assert_eq!(mutate(&asked, &config).patch, None);
    }
}

#[test]
fn every_kind_is_defaulted_and_validated() {
    let config = ApiConfig::default();
    let spec = json!({ "containers": [{ "image": "dev.local/hello" }] });
    for (kind, spec) in [
        ("Configuration", json!({ "template": { "spec": spec } })),
        ("Revision", spec),
        ("Route", json!({ "traffic": [{ "configurationName": "hello", "percent": 100 }] })),
        (
            "DomainMapping",
            json!({ "ref": {
                "apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello", "namespace": "prod",
            } }),
        ),
    ] {
        let name = if kind == "DomainMapping" { "hello.example.org" } else { "hello" };
        let object = json!({ "metadata": { "name": name, "namespace": "prod" }, "spec": spec });

        let response = mutate(&request(kind, "CREATE", object.clone(), None), &config);
        let object = patched(object, &response);
        let response = validate(&request(kind, "CREATE", object, None), &config);
        assert!(response.allowed, "{kind}: {}", response.result.message);
        let broken = json!({ "metadata": { "name": "Hello" }, "spec": {} });
        assert!(!validate(&request(kind, "CREATE", broken, None), &config).allowed, "{kind}");
    }
}

#[test]
fn an_update_is_compared_with_the_stored_object() {
    let config = ApiConfig::default();
    let revision = |image: &str| {
        let metadata = json!({ "name": "hello-00001", "namespace": "prod" });
        let object =
            json!({ "metadata": metadata, "spec": { "containers": [{ "image": image }] } });
        let response = mutate(&request("Revision", "CREATE", object.clone(), None), &config);
        patched(object, &response)
    };
    let asked = |operation| {
        request("Revision", operation, revision("dev.local/new"), Some(revision("dev.local/old")))
    };
    assert!(validate(&asked("CREATE"), &config).allowed);
    assert!(!validate(&asked("UPDATE"), &config).allowed, "a Revision does not change");
}

#[test]
fn warnings_do_not_block() {
    let config = ApiConfig::default();
    let mut object = service();
    object["metadata"]["annotations"] = json!({ "run.googleapis.com/cpu-throttling": "false" });
    let object =
        patched(object.clone(), &mutate(&request("Service", "CREATE", object, None), &config));
    let response = validate(&request("Service", "CREATE", object, None), &config);
    assert!(response.allowed);
    let warnings = response.warnings.unwrap();
    assert!(warnings[0].contains("run.googleapis.com/cpu-throttling"), "{warnings:?}");
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for (name, annotations, data, want) in [
        ("config-autoscaler", json!({}), json!({ "stable-window": "6s" }), ""),
        (
            "config-autoscaler",
            json!({}),
            json!({ "stable-window": "1s" }),
            "validation failed: stable-window = 1s, must be in [6s; 1h0m0s] range",
        ),
        ("config-gc", json!({}), Value::Null, ""),
        ("config-of-another", json!({}), json!({ "stable-window": "1s" }), ""),
        (
            "config-gc",
            json!({ "knative.dev/example-checksum": "12345678" }),
            json!({ "_example": "min-non-active-revisions: \"7\"" }),
            "validation failed: the update modifies a key in \"_example\" which is probably not what you want. Instead, copy the respective setting to the top-level of the ConfigMap, directly below \"data\"",
        ),
    ] {
        assert_eq!(validate_config(&setting(name, annotations, data)).result.message, want);
    }
}

#[test]
fn only_settings_configmaps_that_are_not_being_deleted_are_validated() {
    let broken = || setting("config-autoscaler", json!({}), json!({ "stable-window": "1s" }));
    assert!(!validate_config(&broken()).allowed);
    let mut elsewhere = broken();
    elsewhere.namespace = Some("shop".to_owned());
    let mut secret = broken();
    secret.kind.kind = "Secret".to_owned();
    let mut leaving = broken();
    let metadata = &mut leaving.object.as_mut().unwrap().metadata;
    metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-02T03:04:05Z")).unwrap());
    let mut nothing = broken();
    nothing.object = None;
    for asked in [elsewhere, secret, leaving, nothing] {
        assert!(validate_config(&asked).allowed, "{asked:?}");
    }
}

#[test]
fn the_hooks_are_called_for_creations_and_updates_of_their_kinds() {
    let config: LiveConfig = Arc::new(|| Arc::new(ApiConfig::default()));
    let asked_about = |hook: &Hook| {
        let mut asked = Vec::new();
        for Rule { group, versions, resources, operations } in &hook.rules {
            assert_eq!(*operations, ["CREATE", "UPDATE"]);
            asked.extend(
                resources.iter().map(|resource| format!("{group}/{versions:?}/{resource}")),
            );
        }
        asked.join(" ")
    };
    let [mutating, validating, kserve, settings] = &hooks(&config, Arc::new(|_, _| Ok(())))[..]
    else {
        panic!("four hooks")
    };
    let kinds = "serving.knative.dev/[\"v1\"]/services serving.knative.dev/[\"v1\"]/configurations serving.knative.dev/[\"v1\"]/revisions serving.knative.dev/[\"v1\"]/routes serving.knative.dev/[\"v1beta1\"]/domainmappings";
    assert_eq!(asked_about(mutating), kinds);
    assert_eq!(asked_about(validating), kinds);
    assert_eq!(asked_about(kserve), "serving.kserve.io/[\"*\"]/inferenceservices");
    assert_eq!(asked_about(settings), "/[\"v1\"]/configmaps");
}

#[test]
fn the_hooks_follow_the_settings_in_force() {
    let config: LiveConfig = Arc::new(|| {
        let mut config = ApiConfig::default();
        config.defaults.max_revision_timeout_seconds = 5;
        Arc::new(config)
    });
    let hooks = hooks(&config, Arc::new(|_, _| Ok(())));
    let names: Vec<_> = hooks.iter().map(|hook| (hook.name, hook.phase)).collect();
    assert_eq!(
        names,
        [
            ("webhook.serving.knative.dev", Phase::Mutating),
            ("validation.webhook.serving.knative.dev", Phase::Validating),
            ("inferenceservice.rouse.dev", Phase::Validating),
            ("config.webhook.serving.knative.dev", Phase::Validating),
        ]
    );
    let mut object = service();
    object["spec"]["template"]["spec"]["timeoutSeconds"] = json!(6);
    object["spec"]["traffic"] = json!([{ "percent": 100 }]);
    let response = (hooks[1].review)(&request("Service", "CREATE", object, None));
    assert_eq!(
        response.result.message,
        "validation failed: expected 0 <= 6 <= 5: spec.template.spec.timeoutSeconds"
    );
}

//! When the pod of a template is tried, and its refusal.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Whether the pod of a request is tried, which is then refused.
fn is_tried(feature: &str, request: &AdmissionRequest<DynamicObject>) -> bool {
    let mut config = ApiConfig::default();
    let data = [("kubernetes.podspec-dryrun".to_owned(), feature.to_owned())].into();
    config.apply("config-features", &data).unwrap();
    let tried = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&tried);
    let try_pod: TryPod = Arc::new(move |namespace, pod| {
        assert_eq!(namespace, "prod");
        assert_eq!(pod.spec.as_ref().unwrap().containers[0].name, "user-container");
        note.store(true, Ordering::SeqCst);
        Err("pods \"dry-run-validation\" is forbidden: no".to_owned())
    });
    let config: LiveConfig = Arc::new(move || Arc::new(config.clone()));
    let response = (hooks(&config, try_pod)[1].review)(request);
    let tried = tried.load(Ordering::SeqCst);
    assert_eq!(response.allowed, !tried, "{}", response.result.message);
    if tried {
        let expected =
            "validation callback failed: dry run failed with pods is forbidden: no: spec.template";
        assert_eq!(response.result.message, expected);
    }
    tried
}

/// A Service that is admitted, with these annotations.
fn admitted(annotations: Value) -> Value {
    let mut object = service();
    object["metadata"]["annotations"] = annotations;
    object["spec"]["traffic"] = json!([{ "percent": 100, "latestRevision": true }]);
    object["spec"]["template"]["spec"]["containers"][0]["name"] = json!("user-container");
    object
}

fn asking(mode: &str) -> Value {
    json!({ "features.knative.dev/podspec-dryrun": mode })
}

#[test]
fn the_pod_is_tried_as_the_annotation_and_the_feature_say() {
    for (feature, annotations, dry_run, expected) in [
        ("allowed", json!({}), false, false),
        ("allowed", json!({}), true, true),
        ("allowed", asking("enabled"), false, true),
        ("allowed", asking("strict"), false, true),
        ("allowed", asking("other"), false, false),
        ("disabled", asking("strict"), false, false),
        ("disabled", json!({}), true, true),
        ("enabled", json!({}), false, true),
    ] {
        let mut request = request("Service", "CREATE", admitted(annotations.clone()), None);
        request.dry_run = dry_run;
        assert_eq!(is_tried(feature, &request), expected, "{feature} {annotations} {dry_run}");
    }
}

#[test]
fn only_a_template_that_is_new_is_tried() {
    let object = || admitted(asking("strict"));
    let mut moved = object();
    moved["spec"]["traffic"] = json!([{ "percent": 100, "latestRevision": true, "tag": "now" }]);
    let mut other = object();
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("dev.local/other");
    let mut leaving = other.clone();
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    for (new, expected) in [(object(), false), (moved, false), (other, true), (leaving, false)] {
        let request = request("Service", "UPDATE", new.clone(), Some(object()));
        assert_eq!(is_tried("allowed", &request), expected, "{new}");
    }
    let route = json!({
        "metadata": { "name": "r", "namespace": "prod", "annotations": asking("strict") },
        "spec": { "traffic": [{ "percent": 100, "configurationName": "hello" }] },
    });
    assert!(!is_tried("enabled", &request("Route", "CREATE", route, None)));
}

//! Annotations of templates and of the objects that hold them.

use serde_json::{Value, json};

use crate::admission::defaults;
use crate::admission::validation::testing::{annotated, minimal, refused, refused_by, with};
use crate::admission::validation::{Request, configuration, service};
use crate::config::ApiConfig;

#[test]
fn annotations_belong_on_the_template() {
    assert_eq!(
        refused(
            |o| o["metadata"]["annotations"] = json!({ "autoscaling.knative.dev/min-scale": "1" })
        ),
        "invalid key name \"autoscaling.knative.dev/min-scale\": metadata.annotations\n\
         autoscaling annotations must be put under \"spec.template.metadata.annotations\" to work"
    );
}

#[test]
fn autoscaling_annotations_are_checked() {
    for (pairs, want) in [
        (vec![("min-scale", "-1")], "expected 0 <= -1 <= 2147483647: min-scale"),
        (vec![("minScale", "x")], "invalid value: x: minScale"),
        (
            vec![("min-scale", "5"), ("max-scale", "3")],
            "max-scale=3 is less than min-scale=5: max-scale, min-scale",
        ),
        (vec![("initial-scale", "0")], "invalid value: 0: initial-scale=0 not allowed by cluster"),
        (
            vec![("activation-scale", "1")],
            "activation-scale=1 must be greater than 1: activation-scale",
        ),
        (
            vec![("activation-scale", "4"), ("max-scale", "3")],
            "max-scale=3 is less than activation-scale=4: activation-scale",
        ),
        (vec![("target", "0")], "target 0 should be at least 0.01: target"),
        (vec![("target", "many")], "invalid value: many: target"),
        (
            vec![("target-utilization-percentage", "101")],
            "expected 1 <= 101 <= 100: target-utilization-percentage",
        ),
        (vec![("target-burst-capacity", "-2")], "invalid value: -2: target-burst-capacity"),
        (vec![("window", "5s")], "expected 6s <= 5s <= 1h0m0s: window"),
        (vec![("window", "6500ms")], "must be specified with at most second precision: window"),
        (vec![("scale-down-delay", "2h")], "expected 0s <= 2h <= 1h0m0s: scale-down-delay"),
        (
            vec![("panic-threshold-percentage", "109")],
            "expected 110 <= 109 <= 1000: panic-threshold-percentage",
        ),
        (vec![("metric", "cpu")], "invalid value: cpu: metric"),
        (vec![("class", "hpa.autoscaling.knative.dev"), ("metric", "cpu")], ""),
        (
            vec![("class", "xyz.autoscaling.knative.dev")],
            "invalid value: xyz.autoscaling.knative.dev: class",
        ),
        (vec![("class", "their.own"), ("metric", "moons")], ""),
    ] {
        let long: Vec<(String, &str)> =
            pairs.iter().map(|(k, v)| (format!("autoscaling.knative.dev/{k}"), *v)).collect();
        let pairs: Vec<(&str, &str)> = long.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(annotated(&pairs), want);
    }
}

#[test]
fn other_annotations_are_checked() {
    for (key, value, want) in [
        (
            "serving.knative.dev/progress-deadline",
            "1.5s",
            "progress-deadline=1.5s is not at second precision: serving.knative.dev/progress-deadline",
        ),
        (
            "serving.knative.dev/progress-deadline",
            "-1s",
            "progress-deadline=-1s must be positive: serving.knative.dev/progress-deadline",
        ),
        (
            "networking.knative.dev/typo",
            "x",
            "invalid key name \"networking.knative.dev/typo\": spec.template.metadata.annotations",
        ),
        (
            "queue.sidecar.serving.knative.dev/cpu-resource-limit",
            "lots",
            "invalid value: lots: [queue.sidecar.serving.knative.dev/cpu-resource-limit]",
        ),
        ("rouse.dev/queue-limit", "0", "expected 1 <= 0 <= 4294967295: rouse.dev/queue-limit"),
        ("example.com/anything", "goes", ""),
    ] {
        assert_eq!(annotated(&[(key, value)]), want);
    }
    assert_eq!(
        refused(|o| o["metadata"]["annotations"] =
            json!({ "serving.knative.dev/rollout-duration": "soon" })),
        "invalid value: soon: metadata.annotations.serving.knative.dev/rollout-duration"
    );
    assert_eq!(
        refused(|o| o["metadata"]["annotations"] =
            json!({ "serving.knative.dev/rollout-duration": "1500ms" })),
        "rollout-duration=1500ms is not at second precision: \
         metadata.annotations.serving.knative.dev/rollout-duration"
    );
    for (key, value, want) in [
        ("networking.knative.dev/http-protocol", "Redirected", ""),
        ("networking.knative.dev/httpOption", "enabled", ""),
        (
            "networking.knative.dev/http-protocol",
            "off",
            "invalid value: off: metadata.annotations.networking.knative.dev/http-protocol\n\
             write enabled or redirected",
        ),
    ] {
        assert_eq!(refused(|o| o["metadata"]["annotations"] = json!({ key: value })), want);
    }
}

#[test]
fn annotations_that_nothing_reads_are_warned_of() {
    let config = ApiConfig::default();
    let mut object = minimal();
    object["metadata"]["annotations"]["run.googleapis.com/description"] = json!("x");
    object["spec"]["template"]["metadata"] = json!({ "annotations": {
        "autoscaling.knative.dev/maxScale": "3", "autoscaling.knative.dev/max-scales": "3",
        "rouse.dev/queue-limit": "5", "rouse.dev/queue": "5", "mine": "kept",
    } });
    defaults::service(&mut object, defaults::Request { config: &config, user: "a", old: None });
    let (errors, warnings) = service(&object, Request { config: &config, old: None }).split();
    assert!(errors.is_empty(), "{errors}");
    assert_eq!(
        warnings.to_string(),
        "the annotation autoscaling.knative.dev/max-scales has no effect here: no annotation is called so: \
         spec.template.metadata.annotations\n\
         the annotation rouse.dev/queue has no effect here: no annotation is called so: \
         spec.template.metadata.annotations\n\
         the annotation run.googleapis.com/description has no effect here: it is a note of a tool: \
         metadata.annotations"
    );
}

#[test]
fn the_limit_of_the_maximum_holds_however_it_is_said() {
    let limited = with("config-autoscaler", &[("max-scale", "4"), ("max-scale-limit", "5")]);
    let run = |name: &str| format!("run.googleapis.com/{name}");
    let [max, mode, count] = ["maxScale", "scalingMode", "manualInstanceCount"].map(run);
    for (annotations, want) in [
        (json!({ &max: "5" }), ""),
        (json!({ &max: "0" }), ""),
        (
            json!({ &max: "6" }),
            "expected 1 <= 6 <= 5: metadata.annotations.run.googleapis.com/maxScale",
        ),
        (json!({ &mode: "manual", &count: "5", &max: "9" }), ""),
        (
            json!({ &mode: "manual", &count: "6" }),
            "expected 1 <= 6 <= 5: metadata.annotations.run.googleapis.com/manualInstanceCount",
        ),
        (json!({ &mode: "automatic", &count: "6" }), ""),
    ] {
        let set = |object: &mut Value| object["metadata"]["annotations"] = annotations.clone();
        assert_eq!(refused_by(&limited, set), want, "{annotations}");
        assert_eq!(refused(set), "", "without a limit");
        let mut made_alone = minimal();
        set(&mut made_alone);
        let asked = defaults::Request { config: &limited, user: "a", old: None };
        defaults::configuration(&mut made_alone, asked);
        let found = configuration(&made_alone, Request { config: &limited, old: None });
        assert_eq!(found.split().0.to_string(), want, "{annotations}");
    }
    for (key, value, want) in [
        ("max-scale", "5", ""),
        ("maxScale", "6", "expected 1 <= 6 <= 5: autoscaling.knative.dev/maxScale"),
        (
            "max-scale",
            "0",
            "max-scale=0 (unlimited), must be less than 5: autoscaling.knative.dev/max-scale",
        ),
    ] {
        let key = format!("autoscaling.knative.dev/{key}");
        let found = refused_by(&limited, |object| {
            object["spec"]["template"]["metadata"]["annotations"][&key] = json!(value);
        });
        assert_eq!(found.replace("spec.template.metadata.annotations.", ""), want, "{key} {value}");
    }
}

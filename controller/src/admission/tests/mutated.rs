//! Manifests with parts replaced, removed or repeated at random: no answer is a panic, defaulting twice
//! is defaulting once, and what is stored would be admitted again.

use proptest::prelude::*;
use rouse_api::config::{ApiConfig, Data, features};
use serde_json::{Value, json};

use super::{patched, request};
use crate::admission::{mutate, validate};

/// A Service that sets most of what a Service can set.
fn rich() -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": "hello", "namespace": "prod",
            "labels": { "networking.knative.dev/visibility": "cluster-local" },
            "annotations": { "run.googleapis.com/ingress": "all" },
        },
        "spec": {
            "template": {
                "metadata": {
                    "name": "hello-one",
                    "labels": { "team": "ml" },
                    "annotations": {
                        "autoscaling.knative.dev/min-scale": "1",
                        "autoscaling.knative.dev/max-scale": "3",
                        "autoscaling.knative.dev/window": "30s",
                        "autoscaling.knative.dev/target": "10",
                    },
                },
                "spec": {
                    "containerConcurrency": 5,
                    "timeoutSeconds": 60,
                    "idleTimeoutSeconds": 30,
                    "enableServiceLinks": false,
                    "nodeSelector": { "disk": "ssd" },
                    "tolerations": [{ "operator": "Exists" }],
                    "serviceAccountName": "default",
                    "containers": [{
                        "name": "app",
                        "image": "dev.local/hello",
                        "command": ["run"], "args": ["--fast"],
                        "env": [
                            { "name": "A", "value": "b" },
                            { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
                        ],
                        "envFrom": [{ "prefix": "X_", "configMapRef": { "name": "c" } }],
                        "ports": [{ "name": "http1", "containerPort": 8080 }],
                        "resources": { "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "100m" } },
                        "readinessProbe": { "httpGet": { "path": "/", "port": 8080 }, "periodSeconds": 5 },
                        "livenessProbe": { "tcpSocket": { "port": 8080 } },
                        "securityContext": { "runAsUser": 7, "capabilities": { "drop": ["ALL"] } },
                        "volumeMounts": [{ "name": "v", "mountPath": "/v", "readOnly": true, "subPath": "x" }],
                    }],
                    "volumes": [{ "name": "v", "projected": { "sources": [
                        { "configMap": { "name": "c", "items": [{ "key": "k", "path": "p", "mode": 256 }] } },
                        { "secret": { "name": "s" } },
                    ] } }],
                },
            },
            "traffic": [
                { "latestRevision": true, "percent": 90, "tag": "now" },
                { "revisionName": "hello-zero", "percent": 10 },
            ],
        },
    })
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Remove,
    /// Writes the value a second time: a list's element beside itself, a field under another name.
    Repeat,
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(f64::MAX), Just(0.5), Just(-1.5)].prop_map(|n| json!(n)),
        prop_oneof![
            Just(String::new()),
            Just("x".repeat(300)),
            Just("-1".to_owned()),
            Just("9e99".to_owned()),
            Just("{{.Name}}".to_owned()),
            "\\PC{0,12}",
        ]
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}])),
        Just(json!([null, 7])),
        Just(json!({ "name": {} })),
    ];
    prop_oneof![
        6 => value.prop_map(Change::Replace),
        2 => Just(Change::Remove),
        2 => Just(Change::Repeat),
    ]
}

/// Walks down by the given choices, as far as the document goes, and changes what stands there.
fn apply(document: &mut Value, way: &[usize], change: &Change) {
    let Some((choice, rest)) = way.split_first() else {
        if let Change::Replace(value) = change {
            *document = value.clone();
        }
        return;
    };
    let is_leaf = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => true,
    };
    match document {
        Value::Array(items) if !items.is_empty() => {
            let at = choice % items.len();
            let ends = rest.is_empty() || is_leaf(&items[at]);
            match change {
                Change::Remove if ends => drop(items.remove(at)),
                Change::Repeat if ends => items.insert(at, items[at].clone()),
                Change::Replace(value) if ends => items[at] = value.clone(),
                _ => apply(&mut items[at], rest, change),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(choice % fields.len()).cloned().unwrap();
            let ends = rest.is_empty() || is_leaf(&fields[&name]);
            match change {
                Change::Remove if ends => drop(fields.remove(&name)),
                Change::Repeat if ends => {
                    let value = fields[&name].clone();
                    fields.insert(format!("{name}2"), value);
                }
                Change::Replace(value) if ends => drop(fields.insert(name, value.clone())),
                _ => apply(&mut fields[&name], rest, change),
            }
        }
        _ => {}
    }
}

fn everything_on() -> ApiConfig {
    let on = |(key, _): (&str, features::Flag)| (key.to_owned(), "enabled".to_owned());
    let mut config = ApiConfig::default();
    let data: Data = features::DEFAULTS.into_iter().map(on).collect();
    config.apply("config-features", &data).unwrap();
    config
}

/// The object as it would be stored, or None if it is refused.
fn stored(object: &Value, old: Option<&Value>, config: &ApiConfig) -> Option<Value> {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    // What is no object at all is refused before admission.
    let asked = |object: &Value| {
        serde_json::from_value::<kube::core::DynamicObject>(object.clone()).ok()?;
        Some(request("Service", operation, object.clone(), old.cloned()))
    };
    let answer = mutate(&asked(object)?, config);
    if !answer.allowed {
        return None;
    }
    let object =
        if answer.patch.is_some() { patched(object.clone(), &answer) } else { object.clone() };
    validate(&asked(&object)?, config).allowed.then_some(object)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_manifest_is_refused_or_stored_for_good(
        changes in proptest::collection::vec(
            (proptest::collection::vec(any::<usize>(), 1..9), change()), 1..4),
        on in any::<bool>(),
    ) {
        let config = if on { everything_on() } else { ApiConfig::default() };
        let mut object = rich();
        for (way, change) in &changes {
            apply(&mut object["spec"], way, change);
        }
        if let Some(first) = stored(&object, None, &config) {
            serde_json::from_value::<rouse_api::Service>(first.clone()).unwrap();
            let again = stored(&first, Some(&first), &config);
            prop_assert_eq!(again.as_ref(), Some(&first), "an update without a change changes or is refused");
        }
    }
}

#[test]
fn the_manifest_that_is_mutated_is_admitted() {
    let config = everything_on();
    let first = stored(&rich(), None, &config);
    assert!(
        first.is_some(),
        "{:?}",
        validate(&request("Service", "CREATE", rich(), None), &config).result
    );
}

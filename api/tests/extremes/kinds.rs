//! Every numeric field of every kind that users write, found in the kinds' own schemas.

use rouse_api::config::ApiConfig;
use rouse_api::field_error::FieldErrors;
use rouse_api::{Configuration, DomainMapping, Revision, Route, Service, defaults, validation};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::manifests;
use crate::numbers::{json_floats, json_numbers};

/// The type of a number in a schema.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Int32,
    Int64,
    /// A port, or an amount: text too.
    IntOrString,
}

#[derive(Clone, Debug)]
struct Field {
    path: Vec<String>,
    number: Number,
}

/// The numeric fields under a schema. `[]` is an element of a list, `*` a value of a map.
fn numeric(schema: &Value, path: &[String], found: &mut Vec<Field>) {
    let number = match (schema["type"].as_str(), schema["format"].as_str()) {
        _ if schema["x-kubernetes-int-or-string"] == true => Some(Number::IntOrString),
        (Some("integer"), Some("int32")) => Some(Number::Int32),
        (Some("integer"), _) => Some(Number::Int64),
        (_, _) => None,
    };
    if let Some(number) = number {
        found.push(Field { path: path.to_vec(), number });
    }
    let deeper = |name: &str| [path, &[name.to_owned()]].concat();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        numeric(property, &deeper(name), found);
    }
    for (name, inside) in [("[]", "items"), ("*", "additionalProperties")] {
        if schema[inside].is_object() {
            numeric(&schema[inside], &deeper(name), found);
        }
    }
}

/// A pod with as many of the fields as can be set together.
fn pod() -> Value {
    json!({
        "containerConcurrency": 1, "timeoutSeconds": 10, "responseStartTimeoutSeconds": 5,
        "idleTimeoutSeconds": 5,
        "containers": [{
            "image": "dev.local/hello",
            "ports": [{ "containerPort": 8080 }],
            "resources": { "requests": { "cpu": "1" }, "limits": { "cpu": "18446744073709551615" } },
            "securityContext": { "runAsUser": 1, "runAsGroup": 1 },
            "readinessProbe": { "httpGet": { "port": 8080 }, "periodSeconds": 1 },
            "livenessProbe": { "tcpSocket": { "port": 8080 } },
            "startupProbe": { "grpc": { "port": 8080 } },
            "volumeMounts": [
                { "name": "empty", "mountPath": "/empty" }, { "name": "secret", "mountPath": "/secret" },
                { "name": "map", "mountPath": "/map" }, { "name": "all", "mountPath": "/all" },
            ],
        }],
        "volumes": [
            { "name": "empty", "emptyDir": { "sizeLimit": "1Gi" } },
            { "name": "secret", "secret": { "secretName": "s", "defaultMode": 1,
                                            "items": [{ "key": "k", "path": "p", "mode": 1 }] } },
            { "name": "map", "configMap": { "name": "c", "defaultMode": 1,
                                            "items": [{ "key": "k", "path": "p", "mode": 1 }] } },
            { "name": "all", "projected": { "defaultMode": 1, "sources": [
                { "secret": { "name": "s", "items": [{ "key": "k", "path": "p", "mode": 1 }] } },
                { "configMap": { "name": "c", "items": [{ "key": "k", "path": "p", "mode": 1 }] } },
                { "downwardAPI": { "items": [
                    { "path": "p", "mode": 1, "fieldRef": { "fieldPath": "metadata.name" } },
                ] } },
            ] } },
        ],
    })
}

/// Handlers of a probe; one excludes the others.
const HANDLERS: [&str; 4] = ["exec", "grpc", "httpGet", "tcpSocket"];

/// Puts `value` at `path`, creating missing parents.
fn set(document: &mut Value, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *document = value;
        return;
    };
    if name == "[]" {
        if document.as_array().is_none_or(Vec::is_empty) {
            *document = json!([{}]);
        }
        let Some(list) = document.as_array_mut() else { return };
        // The element that has the field; a list of plain numbers has one element.
        let has = |element: &Value| rest.first().is_none_or(|name| element.get(name).is_some());
        let at = list.iter().position(has).unwrap_or(0);
        return set(&mut list[at], rest, value);
    }
    if !document.is_object() {
        *document = json!({});
    }
    let name = if name == "*" { "cpu" } else { name.as_str() };
    if HANDLERS.contains(&name)
        && let Some(probe) = document.as_object_mut()
    {
        probe.retain(|other, _| other == name || !HANDLERS.contains(&other.as_str()));
    }
    set(&mut document[name], rest, value);
}

fn at<'a>(document: &'a Value, path: &[String]) -> &'a Value {
    let mut inside = document;
    for (index, name) in path.iter().enumerate() {
        inside = match name.as_str() {
            "[]" => {
                let next = path.get(index + 1);
                let list = inside.as_array().map(Vec::as_slice).unwrap_or_default();
                let has = |element: &&Value| next.is_none_or(|name| element.get(name).is_some());
                list.iter().find(has).or(list.first()).unwrap_or(&Value::Null)
            }
            "*" => &inside["cpu"],
            name => &inside[name],
        };
    }
    inside
}

/// One kind: its document, and its admission.
struct Kind {
    name: &'static str,
    document: Value,
    default: fn(&mut Value, defaults::Request<'_>),
    validate: fn(&Value, validation::Request<'_>) -> FieldErrors,
    decode: fn(&Value) -> Result<(), serde_json::Error>,
}

fn decodes<K: DeserializeOwned>(document: &Value) -> Result<(), serde_json::Error> {
    serde_json::from_value::<K>(document.clone()).map(drop)
}

fn kinds() -> [Kind; 5] {
    let metadata = json!({ "name": "hello", "namespace": "prod" });
    let of_template = || json!({ "metadata": metadata, "spec": { "template": { "spec": pod() } } });
    let route = json!({
        "metadata": metadata, "spec": { "traffic": [{ "revisionName": "hello-1", "percent": 100 }] },
    });
    let mut service = of_template();
    service["spec"]["traffic"] = json!([{ "latestRevision": true, "percent": 100 }]);
    let mapping = json!({
        "metadata": { "name": "a.example.org", "namespace": "prod" },
        "spec": { "ref": { "kind": "Service", "name": "hello", "apiVersion": "serving.knative.dev/v1" } },
    });
    [
        Kind {
            name: "Service",
            document: service,
            default: defaults::service,
            validate: validation::service,
            decode: decodes::<Service>,
        },
        Kind {
            name: "Configuration",
            document: of_template(),
            default: defaults::configuration,
            validate: validation::configuration,
            decode: decodes::<Configuration>,
        },
        Kind {
            name: "Revision",
            document: json!({ "metadata": metadata, "spec": pod() }),
            default: defaults::revision,
            validate: validation::revision,
            decode: decodes::<Revision>,
        },
        Kind {
            name: "Route",
            document: route,
            default: defaults::route,
            validate: validation::route,
            decode: decodes::<Route>,
        },
        Kind {
            name: "DomainMapping",
            document: mapping,
            default: defaults::domain_mapping,
            validate: validation::domain_mapping,
            decode: decodes::<DomainMapping>,
        },
    ]
}

impl Kind {
    /// The problems of the document with `value` at `path`, and the document as it would be stored.
    fn judge(&self, path: &[String], value: Value, config: &ApiConfig) -> (FieldErrors, Value) {
        let mut document = self.document.clone();
        document["apiVersion"] = json!("serving.knative.dev/v1");
        document["kind"] = json!(self.name);
        set(&mut document, path, value);
        (self.default)(&mut document, defaults::Request { config, user: "alice", old: None });
        let errors = (self.validate)(&document, validation::Request { config, old: None });
        (errors.split().0, document)
    }
}

/// Whether a problem names the field or one of its parents.
fn names(errors: &FieldErrors, path: &[String]) -> bool {
    let told = errors.to_string();
    let own = path.iter().filter(|name| !["spec", "template", "[]", "*"].contains(&name.as_str()));
    own.rev().take(3).any(|name| told.contains(name.as_str()))
}

#[test]
fn every_extreme_of_every_field_is_refused_by_name_or_in_range() {
    let config = ApiConfig::default();
    let schemas = manifests("crds");
    let (mut fields, mut cases, mut refused, mut problems) = (0, 0, 0, Vec::new());
    for kind in kinds() {
        let (errors, document) = kind.judge(&[], kind.document.clone(), &config);
        assert_eq!(errors.to_string(), "", "{}: {document}", kind.name);
        let crd = schemas.iter().find(|crd| crd["spec"]["names"]["kind"] == kind.name).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut found = Vec::new();
        numeric(schema, &["spec".to_owned()], &mut found);
        fields += found.len();
        for field in &found {
            let benign = kind.judge(&field.path, json!(1), &config).0;
            for value in json_numbers() {
                cases += 1;
                let (errors, document) = kind.judge(&field.path, value.clone(), &config);
                let told = format!("{} {}: {value}", kind.name, field.path.join("."));
                if !errors.is_empty() {
                    refused += 1;
                    if benign.is_empty() && !names(&errors, &field.path) {
                        problems.push(format!("{told}: not named: {errors}"));
                    }
                    continue;
                }
                if let Err(error) = (kind.decode)(&document) {
                    problems.push(format!("{told}: admitted, and not readable: {error}"));
                    continue;
                }
                let kept = at(&document, &field.path);
                if kept.is_null() && value == json!(0) {
                    // Zero is unset there.
                    continue;
                }
                let fits = match field.number {
                    Number::Int32 => {
                        kept.as_i64().is_some_and(|n| i32::try_from(n).is_ok_and(|n| n >= 0))
                    }
                    Number::Int64 => kept.as_i64().is_some_and(|n| n >= 0),
                    Number::IntOrString => !kept.to_string().starts_with('-'),
                };
                if !fits {
                    problems.push(format!("{told}: admitted out of range: {kept}"));
                }
            }
            for value in json_floats() {
                cases += 1;
                // The schema enforces integers; here nothing may panic.
                let _ = kind.judge(&field.path, value, &config);
            }
        }
    }
    println!("{fields} fields of 5 kinds, {cases} cases, {refused} refused");
    assert_eq!(problems, Vec::<String>::new());
    assert!(fields > 100 && refused > 0 && refused < cases);
}

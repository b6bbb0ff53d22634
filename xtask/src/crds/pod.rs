//! The schema of a Revision's spec: Knative's fields and those of a pod.
//!
//! The pod part is made from the table of built-in kinds. Fields that Knative knows are spelled
//! out; all other fields of a pod have no inner structure, so that they are not pruned and
//! admission can refuse them by name. Fields that Knative fills in or leaves open are not required
//! here (a container's name, a probe's port).

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::schemas;
use crate::kinds;
use crate::schema::structural;

/// A Revision's spec.
pub(super) fn revision_spec() -> Result<Value> {
    let table = kinds::read()?;
    let mut pod = structural(&table, "core.v1.PodSpec")?;
    tidy(&mut pod);
    for container in ["containers", "initContainers"] {
        let list = at(&mut pod, container)?;
        plain_list(list);
        loosen_container(at(list, "[]")?)?;
    }
    for (path, fields) in SPELLED_OUT {
        shorten(at(&mut pod, path)?, fields)
            .with_context(|| format!("fields of {path:?} of a pod"))?;
    }
    let properties = properties(&mut pod)?;
    properties.extend(schemas::revision_fields());
    pod["required"] = json!(["containers"]);
    Ok(pod)
}

/// Where Knative's fields are spelled out, and which they are. `[]` steps into a list.
const SPELLED_OUT: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "automountServiceAccountToken",
            "containers",
            "dnsPolicy",
            "enableServiceLinks",
            "hostIPC",
            "hostNetwork",
            "hostPID",
            "imagePullSecrets",
            "initContainers",
            "nodeSelector",
            "priorityClassName",
            "runtimeClassName",
            "schedulerName",
            "securityContext",
            "serviceAccountName",
            "shareProcessNamespace",
            "tolerations",
            "volumes",
        ],
    ),
    ("containers[]", CONTAINER),
    ("initContainers[]", CONTAINER),
    ("containers[].env[].valueFrom", VALUE_FROM),
    ("initContainers[].env[].valueFrom", VALUE_FROM),
    ("volumes[]", &["configMap", "emptyDir", "name", "projected", "secret"]),
    (
        "volumes[].projected.sources[]",
        &["configMap", "downwardAPI", "secret", "serviceAccountToken"],
    ),
];

/// The fields of a container that `api` allows. Repeated here, since xtask is built without the
/// types of Kubernetes, which are most of a build.
const CONTAINER: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
    "workingDir",
];

const VALUE_FROM: &[&str] = &["configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"];

/// A container as Knative accepts it: names and ports may be left open.
fn loosen_container(container: &mut Value) -> Result<()> {
    optional(container, "name");
    let ports = at(container, "ports")?;
    plain_list(ports);
    optional(at(ports, "[]")?, "containerPort");
    properties(at(ports, "[]")?)?
        .insert("protocol".to_owned(), json!({ "type": "string", "default": "TCP" }));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for handler in ["httpGet", "tcpSocket", "grpc"] {
            optional(at(container, &format!("{probe}.{handler}"))?, "port");
        }
    }
    Ok(())
}

/// The schema at a path of fields; `[]` is the element of a list.
fn at<'a>(schema: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    let steps = path.replace("[]", ".[]");
    let mut here = schema;
    for step in steps.split('.').filter(|step| !step.is_empty()) {
        let next = match step {
            "[]" => here.get_mut("items"),
            field => here.get_mut("properties").and_then(|fields| fields.get_mut(field)),
        };
        here = next.with_context(|| format!("a pod has no {path}: {step} is not there"))?;
    }
    Ok(here)
}

fn properties(schema: &mut Value) -> Result<&mut Map<String, Value>> {
    schema
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .context("a schema without properties where fields were expected")
}

fn optional(schema: &mut Value, field: &str) {
    let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else { return };
    required.retain(|name| name != field);
    if required.is_empty()
        && let Some(fields) = schema.as_object_mut()
    {
        fields.remove("required");
    }
}

fn plain_list(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("x-kubernetes-list-type");
        fields.remove("x-kubernetes-list-map-keys");
    }
}

/// Removes the inner structure of all properties but `spelled_out`.
fn shorten(schema: &mut Value, spelled_out: &[&str]) -> Result<()> {
    let properties = properties(schema)?;
    if let Some(missing) = spelled_out.iter().find(|name| !properties.contains_key(**name)) {
        bail!("{missing} is not in the table");
    }
    for (name, property) in properties.iter_mut() {
        if !spelled_out.contains(&name.as_str()) {
            *property = any_of_type(property.get("type"));
        }
    }
    Ok(())
}

/// A schema of the same type, with any content.
fn any_of_type(type_: Option<&Value>) -> Value {
    match type_.and_then(Value::as_str) {
        Some("array") => json!({
            "type": "array",
            "items": { "x-kubernetes-preserve-unknown-fields": true },
        }),
        Some("object") => json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
        Some(scalar) => json!({ "type": scalar }),
        None => json!({ "x-kubernetes-preserve-unknown-fields": true }),
    }
}

/// Removes defaults, since Knative has its own. Lists lose map keys that may be absent without
/// them.
fn tidy(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("default");
        let keys = fields.get("x-kubernetes-list-map-keys").and_then(Value::as_array).cloned();
        let item = fields.get("items").cloned().unwrap_or_default();
        let required = item.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        if keys.is_some_and(|keys| keys.iter().any(|key| !required.contains(key))) {
            plain_list(schema);
        }
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(tidy),
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

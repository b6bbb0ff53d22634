//! Manifests of the test server, to be changed by a test.

use serde_json::{Map, Value, json};

use crate::cluster::Space;

/// A Service whose container has these fields too.
pub(crate) fn service(space: &Space<'_>, name: &str, container: Value) -> Value {
    with(space, name, container, json!({}), json!({}))
}

/// A Service with fields of its container and of its template's spec, and annotations of the template.
pub(crate) fn with(
    space: &Space<'_>,
    name: &str,
    container: Value,
    spec: Value,
    annotations: Value,
) -> Value {
    let mut first = json!({ "image": space.cluster.image });
    merge(&mut first, container);
    // Test pods do not end by SIGTERM everywhere; they may be ended soon.
    let mut template = json!({ "timeoutSeconds": 10, "containers": [first] });
    merge(&mut template, spec);
    json!({
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": { "name": name },
        "spec": { "template": { "metadata": { "annotations": annotations }, "spec": template } },
    })
}

/// A Service with autoscaling annotations.
pub(crate) fn scaled(
    space: &Space<'_>,
    name: &str,
    container: Value,
    notes: &[(&str, &str)],
) -> Value {
    let notes: Map<String, Value> = notes
        .iter()
        .map(|(key, value)| (format!("autoscaling.knative.dev/{key}"), json!(value)))
        .collect();
    with(space, name, container, json!({}), Value::Object(notes))
}

/// `{"env": [...]}` of a container.
pub(crate) fn env(pairs: &[(&str, &str)]) -> Value {
    let all: Vec<Value> = pairs.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
    json!({ "env": all })
}

/// A Service of the test server with a `VERSION`.
pub(crate) fn version(space: &Space<'_>, name: &str, version: &str) -> Value {
    service(space, name, env(&[("VERSION", version)]))
}

/// A merge patch that gives the template's container another `VERSION`.
pub(crate) fn to_version(space: &Space<'_>, name: &str, to: &str) -> Value {
    let template = version(space, name, to)["spec"]["template"].take();
    json!({ "spec": { "template": { "spec": template["spec"] } } })
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// The template's first container.
pub(crate) fn container(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]
}

/// Sets what stands at a path of a Service, such as `spec.template.spec.containers.0.name`.
pub(crate) fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for part in path.split('.') {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
}

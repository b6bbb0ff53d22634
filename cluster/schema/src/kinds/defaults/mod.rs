//! Defaults of built-in kinds that the table does not hold, because they depend on other fields.

mod fields;
mod pod;
#[cfg(test)]
mod tests;
mod workload;

use serde_json::{Value, json};

use self::fields::{child, each, set, set_in};
use super::Resource;

/// Sets the defaults that Kubernetes sets on a write: the schema's, then the kind's own. Idempotent.
pub fn apply(resource: &Resource, object: &mut Value) {
    if resource.custom {
        resource.schema.default(object);
        return;
    }
    resource.schema.normalise(object);
    resource.schema.default(object);
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => pod::pod(object),
        ("", "Service") => workload::service(object),
        ("", "Secret") => secret(object),
        ("", "Namespace") => namespace(object),
        ("", "Endpoints") => endpoints(object),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd(object),
        _ => {}
    }
}

/// The initial status of a new object, in place of one in the request.
#[must_use]
pub fn initial_status(resource: &Resource, object: &Value) -> Option<Value> {
    if resource.custom {
        return None;
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => Some(json!({"phase": "Pending", "qosClass": pod::quality(object)})),
        ("", "Namespace") => Some(json!({"phase": "Active"})),
        ("", "Service") => Some(json!({"loadBalancer": {}})),
        ("apps", "Deployment" | "ReplicaSet") => Some(json!({})),
        _ => None,
    }
}

fn secret(object: &mut Value) {
    set(object, "type", json!("Opaque"));
    let Some(Value::Object(texts)) = object.as_object_mut().and_then(|o| o.remove("stringData"))
    else {
        return;
    };
    // `stringData` is stored as bytes, and wins over `data`.
    if let Some(data) = child(object, "data") {
        for (key, text) in texts {
            use base64::Engine as _;
            let bytes =
                base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
            data.insert(key, Value::String(bytes));
        }
    }
}

fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if name.is_string()
        && let Some(labels) = object.get_mut("metadata").and_then(|m| child(m, "labels"))
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name);
    }
    set_in(object, "spec", "finalizers", json!(["kubernetes"]));
}

fn endpoints(object: &mut Value) {
    for subset in each(object, "subsets") {
        each(subset, "ports").for_each(|port| set(port, "protocol", json!("TCP")));
    }
}

fn endpoint_slice(object: &mut Value) {
    for port in each(object, "ports") {
        set(port, "name", json!(""));
        set(port, "protocol", json!("TCP"));
    }
}

fn crd(object: &mut Value) {
    let names = object.get_mut("spec").and_then(|s| s.get_mut("names"));
    if let Some(names) = names
        && let Some(kind) = names["kind"].as_str().map(str::to_owned)
    {
        set(names, "singular", json!(kind.to_lowercase()));
        set(names, "listKind", json!(format!("{kind}List")));
    }
    set_in(object, "spec", "conversion", json!({"strategy": "None"}));
}

//! Tables: what `kubectl get` prints, a row of cells per object.
//!
//! Built-in kinds have code per kind, since their cells say more than one field does; CRDs name a JSONPath per column.

mod age;
mod custom;
mod events;
pub mod jsonpath;
mod network;
mod objects;
mod workloads;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::Resource;

/// The column definitions of a resource's table.
#[must_use]
pub fn columns(resource: &Resource) -> Value {
    resource
        .columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.kind,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            })
        })
        .collect()
}

/// The cells of one object, one for each column; `now` is what ages count from.
#[must_use]
pub fn row(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    if resource.custom {
        return custom::cells(resource, object, now);
    }
    match resource.kind.as_str() {
        "Pod" => workloads::pod(object, now),
        "Deployment" => workloads::deployment(object, now),
        "ReplicaSet" => workloads::replica_set(object, now),
        "Service" => network::service(object, now),
        "Endpoints" => network::endpoints(object, now),
        "EndpointSlice" => network::endpoint_slice(object, now),
        "Event" => events::event(object, now),
        "Node" => objects::node(object, now),
        "Namespace" => objects::namespace(object, now),
        "ConfigMap" => objects::config_map(object, now),
        "Secret" => objects::secret(object, now),
        "Lease" => objects::lease(object, now),
        "ServiceAccount" => vec![name(object), age::since_creation(object, now)],
        _ => vec![name(object), object["metadata"]["creationTimestamp"].clone()],
    }
}

fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

/// A text, or what stands for none.
fn text_or<'a>(value: &'a Value, none: &'a str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(none)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `a=b,c=d`, or `<none>`.
fn labels(value: &Value) -> String {
    let map = value.as_object().filter(|map| !map.is_empty());
    let Some(map) = map else { return "<none>".to_owned() };
    let mut pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// Whether the condition of a type is what the status says.
fn condition(object: &Value, kind: &str, status: &str) -> bool {
    items(&object["status"]["conditions"])
        .iter()
        .any(|c| c["type"] == kind && c["status"] == status)
}

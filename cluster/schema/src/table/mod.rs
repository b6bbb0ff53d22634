//! Tables: what `kubectl get` prints, a row of cells per object.
//!
//! Built-in kinds have code per kind, since a cell may combine several fields; CRDs name a JSONPath per column.

mod age;
mod autoscaling;
mod cells;
mod custom;
mod events;
mod network;
mod objects;
mod workloads;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::cells::name;
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
        "HorizontalPodAutoscaler" => autoscaling::horizontal_pod_autoscaler(object, now),
        "Lease" => objects::lease(object, now),
        "PersistentVolumeClaim" | "ServiceAccount" => {
            vec![name(object), age::since_creation(object, now)]
        }
        _ if resource.inert => vec![name(object), age::since_creation(object, now)],
        _ => vec![name(object), object["metadata"]["creationTimestamp"].clone()],
    }
}

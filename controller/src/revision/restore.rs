//! Restores the containers of a Deployment that another client changed (`kubectl set image`, `set env`): its pods are
//! those of the Revision, which never changes.
//!
//! The API server adds defaults, so containers are unchanged if they have every field that was written, and no list or
//! map that was not. Upstream: `checkAndUpdateDeployment`.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

/// Lists and maps of a container that the API server never defaults.
const NEVER_DEFAULTED: [&str; 7] =
    ["args", "command", "env", "envFrom", "lifecycle", "livenessProbe", "volumeMounts"];

/// `found` with the containers of `wanted`; None if they are unchanged.
pub(super) fn restored(found: &Deployment, wanted: Deployment) -> Option<Deployment> {
    let found_pod = found.spec.as_ref()?.template.spec.as_ref()?;
    let wanted_pod = wanted.spec?.template.spec?;
    if containers(&wanted_pod).zip(containers(found_pod)).all(|(a, b)| lists(&a, &b)) {
        return None;
    }
    let mut restored = found.clone();
    let pod = restored.spec.as_mut()?.template.spec.as_mut()?;
    pod.containers = wanted_pod.containers;
    pod.init_containers = wanted_pod.init_containers;
    Some(restored)
}

/// Both lists of containers.
fn containers(pod: &PodSpec) -> impl Iterator<Item = Value> {
    [json!(pod.containers), json!(pod.init_containers.as_deref().unwrap_or_default())].into_iter()
}

fn lists(wanted: &Value, found: &Value) -> bool {
    let none_added = |wanted: &Value, found: &Value| {
        NEVER_DEFAULTED.iter().all(|name| wanted.get(name).is_some() || found.get(name).is_none())
    };
    match (wanted.as_array(), found.as_array()) {
        (Some(a), Some(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| includes(a, b) && none_added(a, b))
        }
        _ => false,
    }
}

/// Whether `found` has every field of `wanted`.
fn includes(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(name, value)| includes(value, b.get(name).unwrap_or(&Value::Null)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| includes(a, b))
        }
        (Value::Object(a), Value::Null) => a.is_empty(),
        (Value::Array(a), Value::Null) => a.is_empty(),
        (Value::String(a), Value::Null) => a.is_empty(),
        (a, b) => a == b,
    }
}

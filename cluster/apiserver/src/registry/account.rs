//! The service account that a pod names must be there, as the admission of the same name wants it.

use serde_json::Value;

use crate::store::{Key, Store};

/// What is wrong with the account of a pod's `spec`.
///
/// Every namespace has `default`, or is about to get it.
#[must_use]
pub fn problem(store: &Store, namespace: &str, spec: &Value) -> Option<String> {
    let name = spec["serviceAccountName"].as_str().unwrap_or_default();
    if matches!(name, "" | "default") {
        return None;
    }
    if store.get(&Key::new("serviceaccounts", namespace, name)).is_some() {
        return None;
    }
    Some(format!(
        "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
    ))
}

//! The schema of a Revision's spec: Knative's fields and those of a pod.

use anyhow::Result;
use serde_json::{Value, json};

use super::schemas;

/// A Revision's spec.
pub(super) fn revision_spec() -> Result<Value> {
    let mut spec = json!({
        "type": "object",
        "properties": schemas::revision_fields(),
        "x-kubernetes-preserve-unknown-fields": true,
    });
    spec["required"] = json!(["containers"]);
    Ok(spec)
}

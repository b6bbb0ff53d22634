//! Tables: what `kubectl get` prints, a row of cells per object.

pub mod jsonpath;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::Resource;

/// The column definitions of a resource's table.
#[must_use]
pub fn columns(resource: &Resource) -> Value {
    resource
        .columns
        .iter()
        .map(|c| json!({"name": c.name, "type": c.kind, "format": c.format, "description": c.description, "priority": c.priority}))
        .collect()
}

/// The cells of one object.
#[must_use]
pub fn row(_resource: &Resource, object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![object["metadata"]["name"].clone()]
}

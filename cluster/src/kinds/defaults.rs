//! Defaults of built-in kinds that the table does not hold, because they depend on other fields.

use serde_json::Value;

use super::Resource;

/// Fills in what Kubernetes fills in when an object of a built-in kind is written.
pub fn apply(resource: &Resource, object: &mut Value) {
    resource.schema.default(object);
}

//! A schema's defaults, filled in where a field is absent.

use serde_json::Value;

use super::node::Node;

/// Sets the default of every absent field, then descends into the fields that are present.
pub(super) fn apply(node: &Node, value: &mut Value) {
    let target = node.resolve();
    match value {
        Value::Object(map) => {
            for (name, field) in &target.properties {
                let Some(default) = &field.default else { continue };
                // A null that the schema does not allow counts as absent.
                let absent = map.get(name).is_none_or(|v| v.is_null() && !field.nullable);
                if absent {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in map.iter_mut() {
                if let Some(field) = node.field(name) {
                    apply(field, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &target.items {
                for item in items {
                    apply(schema, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

//! Fields that a schema does not know: named for strict decoding, removed by pruning.

use serde_json::Value;

use super::node::{Node, Type};
use super::types;

/// The paths of unknown fields, in the object's order.
pub(super) fn unknown(root: &Node, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find(root, object, &mut String::new(), &mut found, true);
    found
}

fn find(node: &Node, value: &Value, path: &mut String, found: &mut Vec<String>, is_object: bool) {
    let target = node.resolve();
    match value {
        Value::Object(map) => {
            let open = node.is_open();
            let length = path.len();
            for (key, child) in map {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                match field(node, key, is_object || target.embedded) {
                    Some(schema) => find(schema, child, path, found, false),
                    None if open => {}
                    None => found.push(path.clone()),
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &target.items {
                let length = path.len();
                for (index, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    find(schema, item, path, found, false);
                    path.truncate(length);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes unknown fields.
pub(super) fn prune(root: &Node, object: &mut Value) {
    cut(root, object, true);
}

fn cut(node: &Node, value: &mut Value, is_object: bool) {
    let target = node.resolve();
    match value {
        Value::Object(map) => {
            let open = node.is_open();
            let whole = is_object || target.embedded;
            map.retain(|key, child| match field(node, key, whole) {
                Some(schema) => {
                    cut(schema, child, false);
                    true
                }
                None => open,
            });
        }
        Value::Array(items) => {
            if let Some(schema) = &target.items {
                for item in items {
                    cut(schema, item, false);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The schema of a field; a whole object has `apiVersion`, `kind` and `metadata` even if its schema does not say so.
pub(super) fn field<'a>(node: &'a Node, key: &str, whole_object: bool) -> Option<&'a Node> {
    let declared = node.field(key);
    if !whole_object {
        return declared;
    }
    match key {
        "metadata" => Some(types::object_meta()),
        "apiVersion" | "kind" => declared.or_else(|| types::object_meta().field("name")),
        _ => declared,
    }
}

/// Rewrites a value as a typed Go client would encode it: no nulls, quantities as text.
pub(super) fn normalise(node: &Node, value: &mut Value) {
    let target = node.resolve();
    match value {
        Value::Object(map) => {
            if target.kind == Type::Any || target.preserve_unknown {
                return;
            }
            map.retain(|_, child| !child.is_null());
            for (key, child) in map.iter_mut() {
                if let Some(schema) = node.field(key) {
                    normalise(schema, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &target.items {
                for item in items {
                    normalise(schema, item);
                }
            }
        }
        Value::Number(number) if target.kind == Type::Quantity => {
            *value = Value::String(number.to_string());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

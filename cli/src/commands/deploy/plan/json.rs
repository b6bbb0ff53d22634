//! Parts of an object that are made where they are not there.

use serde_json::{Map, Value};

/// The object under `name`, made if it is not there.
pub(super) fn member<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let member = &mut value[name];
    if member.is_null() {
        *member = Value::Object(Map::new());
    }
    member
}

/// The list under `name`, made if it is not there.
pub(super) fn list<'a>(value: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    let list = &mut value[name];
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    match list {
        Value::Array(list) => list,
        _ => unreachable!("it was made a list"),
    }
}

/// Removes a member that holds nothing.
pub(super) fn remove_empty(value: &mut Value, name: &str) {
    let is_empty = match &value[name] {
        Value::Array(list) => list.is_empty(),
        other => other.is_null(),
    };
    if is_empty && let Some(fields) = value.as_object_mut() {
        fields.remove(name);
    }
}

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

/// Removes entries of the list under `name`, and the list if none is left.
pub(super) fn remove_where(value: &mut Value, name: &str, is_gone: impl Fn(&Value) -> bool) {
    let Some(fields) = value.as_object_mut() else { return };
    let Some(list) = fields.get_mut(name).and_then(Value::as_array_mut) else { return };
    list.retain(|entry| !is_gone(entry));
    if list.is_empty() {
        fields.remove(name);
    }
}

//! Fields that are set where they are absent.

use serde_json::{Map, Value, json};

/// Sets a field that is absent or null.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = object
        && map.get(name).is_none_or(Value::is_null)
    {
        map.insert(name.to_owned(), value);
    }
}

/// Sets a field that is absent, null, empty or zero: Go cannot tell these apart.
pub(super) fn set_zero(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = object
        && map.get(name).is_none_or(|v| v.is_null() || v == "" || v == 0)
    {
        map.insert(name.to_owned(), value);
    }
}

/// Sets an absent field of a nested object, which is created if it is absent too.
pub(super) fn set_in(object: &mut Value, outer: &str, name: &str, value: Value) {
    if let Some(map) = child(object, outer)
        && map.get(name).is_none_or(Value::is_null)
    {
        map.insert(name.to_owned(), value);
    }
}

/// The object of a field, created if it is absent; `None` if the field is no object.
pub(super) fn child<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let field = object.as_object_mut()?.entry(name.to_owned()).or_insert(Value::Null);
    if field.is_null() {
        *field = json!({});
    }
    field.as_object_mut()
}

/// The items of a list, if there is one.
pub(super) fn each<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

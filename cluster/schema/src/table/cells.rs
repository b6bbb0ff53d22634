//! Cells that several kinds have.

use serde_json::Value;

pub(super) fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

/// A text, or `none` if it is absent or empty.
pub(super) fn text_or<'a>(value: &'a Value, none: &'a str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(none)
}

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `a=b,c=d`, or `<none>`.
pub(super) fn labels(value: &Value) -> String {
    let map = value.as_object().filter(|map| !map.is_empty());
    let Some(map) = map else { return "<none>".to_owned() };
    let mut pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// Whether the condition of this type has this status.
pub(super) fn condition(object: &Value, kind: &str, status: &str) -> bool {
    items(&object["status"]["conditions"])
        .iter()
        .any(|c| c["type"] == kind && c["status"] == status)
}

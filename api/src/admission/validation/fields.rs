//! Parts of documents that several rules look at, and which fields may be set at all.

use serde_json::Value;

use crate::admission::json::Look;
use crate::terms::field_error::{FieldError, FieldErrors};

pub(super) fn metadata(object: &Value) -> &Value {
    object.field("metadata").unwrap_or(&Value::Null)
}

pub(super) fn spec(object: &Value) -> &Value {
    object.field("spec").unwrap_or(&Value::Null)
}

pub(super) fn template(object: &Value) -> &Value {
    spec(object).field("template").unwrap_or(&Value::Null)
}

/// Whether a value differs from leaving the field out.
pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Object(_) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
    }
}

/// Refuses what is set and not among `allowed`.
pub(super) fn mask(value: &Value, allowed: &[&str]) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (name, value) in value.as_object().into_iter().flatten() {
        if is_set(value) && !allowed.contains(&name.as_str()) {
            errors.push(FieldError::disallowed(name));
        }
    }
    errors
}

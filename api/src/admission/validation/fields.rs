//! Parts of documents that several rules read, and checks of single fields.

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

/// Refuses fields that are set and not in `allowed`.
pub(super) fn mask(value: &Value, allowed: &[&str]) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (name, value) in value.as_object().into_iter().flatten() {
        if is_set(value) && !allowed.contains(&name.as_str()) {
            errors.push(FieldError::disallowed(name));
        }
    }
    errors
}

/// Refuses a number that is negative or beyond `int32`.
pub(super) fn int32(value: &Value, field: &str) -> FieldErrors {
    match value.int(field).filter(|number| !(0..=i64::from(i32::MAX)).contains(number)) {
        Some(number) => FieldError::out_of_bounds(number, 0, i32::MAX, field).into(),
        None => FieldErrors::none(),
    }
}

/// Refuses a number that is no port. Zero stands for the container's port.
pub(super) fn port(value: &Value, field: &str) -> FieldErrors {
    match value.int(field).filter(|number| !(0..=i64::from(u16::MAX)).contains(number)) {
        Some(number) => FieldError::out_of_bounds(number, 0, u16::MAX, field).into(),
        None => FieldErrors::none(),
    }
}

/// The text of an amount, which may be written as a number.
pub(super) fn text_of(amount: &Value) -> String {
    match amount {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

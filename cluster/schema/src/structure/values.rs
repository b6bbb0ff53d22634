//! Integers and quantities in JSON.

use rouse_k8s::Quantity;
use serde_json::Value;

/// A number without a fraction, however it is written.
pub(super) fn is_integer(value: &Value) -> bool {
    value.is_i64()
        || value.is_u64()
        || value.as_f64().is_some_and(|f| f.fract() == 0.0 && f.is_finite())
}

/// Parses a quantity, given as a number or a text.
pub(crate) fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

//! The cells of custom resources: what each column's JSONPath finds, by the column's type.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use crate::jsonpath::Path;
use crate::kinds::{Column, Resource};

pub(super) fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    resource.columns.iter().map(|column| cell(column, object, now)).collect()
}

/// A value of another type than the column's, or none at all, is an empty cell.
fn cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let path = column.path.as_deref().and_then(Path::parse);
    let found = path.map(|path| path.find(object)).unwrap_or_default();
    let Some(first) = found.first() else { return Value::Null };
    match column.kind.as_str() {
        "integer" => first.as_f64().map_or(Value::Null, |n| json!(n as i64)),
        "number" if first.is_number() => (*first).clone(),
        "boolean" if first.is_boolean() => (*first).clone(),
        "string" => {
            let texts: Vec<String> = found.iter().map(|value| printed(value)).collect();
            Value::String(texts.join(" "))
        }
        "date" if first.is_string() => Value::String(age::since(first, now)),
        _ => Value::Null,
    }
}

fn printed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

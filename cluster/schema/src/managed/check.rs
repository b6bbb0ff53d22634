//! Validation of configurations by their schema, in the words of the real server.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shape::Place;
use crate::structure::Type;

/// Most values of a configuration: its merge takes some tenths of a second.
pub(super) const MOST_VALUES: usize = 100_000;

/// Whether a configuration has no more than [`MOST_VALUES`].
pub(super) fn is_bounded(config: &Value) -> bool {
    count(config, MOST_VALUES).is_some()
}

/// What is left of a number of values.
fn count(value: &Value, left: usize) -> Option<usize> {
    let left = left.checked_sub(1)?;
    match value {
        Value::Object(map) => map.values().try_fold(left, |left, value| count(value, left)),
        Value::Array(items) => items.iter().try_fold(left, |left, value| count(value, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(left),
    }
}

/// The problems of a configuration: `.spec.replicaz: field not declared in schema`.
pub(super) fn check(root: Place<'_>, config: &Value) -> Result<(), String> {
    let mut problems = Vec::new();
    walk(root, config, "", &mut problems);
    match problems.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        more => Err(format!("errors:\n  {}", more.join("\n  "))),
    }
}

fn walk(place: Place<'_>, value: &Value, path: &str, problems: &mut Vec<String>) {
    let mut problem = |path: &str, what: &str| {
        problems.push(if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") });
    };
    if let Some(want) = place.kind().and_then(|kind| mismatch(kind, value)) {
        problem(path, &want);
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let path = format!("{path}.{name}");
                match place.field(name) {
                    Some(field) => walk(field.place, value, &path, problems),
                    None => problems.push(format!("{path}: field not declared in schema")),
                }
            }
        }
        Value::Array(items) => {
            let keys = match place.shape(value) {
                super::shape::Shape::List(_, keys) => Some(keys),
                _ => None,
            };
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let Some(keys) = keys else {
                    walk(place.items(), item, &format!("{path}[{index}]"), problems);
                    continue;
                };
                match place.item(keys, item) {
                    Ok(element) => {
                        let below = format!("{path}{element}");
                        if !seen.insert(element.clone()) {
                            problems.push(format!("{path}: duplicate entries for key {element}"));
                        }
                        walk(place.items(), item, &below, problems);
                    }
                    Err(why) => {
                        problems.push(format!("{path}: element {index}: {why}"));
                        return;
                    }
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What the schema expects where the value is of another type.
fn mismatch(kind: Type, value: &Value) -> Option<String> {
    let scalar = !value.is_object() && !value.is_array();
    let fits = match kind {
        _ if value.is_null() => true,
        Type::Any => true,
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer | Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
        Type::IntOrString | Type::Quantity => scalar,
    };
    if fits {
        return None;
    }
    let got = match value {
        Value::Object(_) => "map",
        Value::Array(_) => "list",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    };
    let want = match kind {
        Type::Object => "map",
        Type::Array => "list",
        Type::Integer | Type::Number => "numeric (int or float)",
        Type::Boolean => "boolean",
        Type::String => "string",
        Type::Any | Type::IntOrString | Type::Quantity => "any scalar",
    };
    Some(format!("expected {want}, got {got}"))
}

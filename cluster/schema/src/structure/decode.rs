//! Errors of a typed decoder on a value of the wrong type, for built-in kinds.

use rouse_k8s::Quantity;
use rouse_k8s::quantity::ParseError::Format;
use serde_json::Value;

use super::node::{Node, Type};
use super::values::is_integer;

/// The first error that decoding into the kind's type would give.
pub(super) fn type_error(root: &Node, object: &Value) -> Option<String> {
    let name = root.resolve().go_type.clone();
    walk(root, object, &Place { holder: &short(&name), path: "" })
}

/// The position of a value: the struct that holds it, and the field path from the root.
struct Place<'a> {
    holder: &'a str,
    path: &'a str,
}

fn walk(node: &Node, value: &Value, place: &Place<'_>) -> Option<String> {
    let target = node.resolve();
    // Null is a zero value; `or:` types take other forms than the object that they refer to.
    if value.is_null() || node.kind == Type::Any && !value.is_object() {
        return None;
    }
    match target.kind {
        Type::Any => None,
        Type::Object => match value {
            Value::Object(map) => map.iter().find_map(|(key, item)| {
                let field = node.field(key)?;
                // A map's values are named by the field that holds the map.
                if target.properties.is_empty() {
                    return walk(field, item, place);
                }
                let path = if place.path.is_empty() {
                    key.clone()
                } else {
                    format!("{}.{key}", place.path)
                };
                walk(field, item, &Place { holder: &short(&target.go_type), path: &path })
            }),
            other => Some(mismatch(other, node, place)),
        },
        Type::Array => match value {
            Value::Array(items) => {
                let schema = target.items.as_ref()?;
                items.iter().find_map(|item| walk(schema, item, place))
            }
            other => Some(mismatch(other, node, place)),
        },
        Type::String => text(node, value, place),
        Type::Boolean => (!value.is_boolean()).then(|| mismatch(value, node, place)),
        Type::Number => (!value.is_number()).then(|| mismatch(value, node, place)),
        Type::Integer => integer(node, value, place),
        Type::IntOrString => {
            (!value.is_string() && !is_integer(value)).then(|| mismatch(value, node, place))
        }
        Type::Quantity => quantity(value),
    }
}

fn text(node: &Node, value: &Value, place: &Place<'_>) -> Option<String> {
    let Some(text) = value.as_str() else { return Some(mismatch(value, node, place)) };
    match node.format.as_deref() {
        Some("date-time") => {
            let parsed = text.parse::<jiff::Timestamp>().is_ok();
            (!parsed).then(|| {
                format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\"")
            })
        }
        Some("byte") => {
            use base64::Engine as _;
            let parsed = base64::engine::general_purpose::STANDARD.decode(text);
            parsed.is_err().then(|| "illegal base64 data at input byte 0".to_owned())
        }
        Some(_) | None => None,
    }
}

fn integer(node: &Node, value: &Value, place: &Place<'_>) -> Option<String> {
    let Value::Number(number) = value else { return Some(mismatch(value, node, place)) };
    let narrow = node.go_type == "int32";
    let fits = number.as_i64().is_some_and(|n| !narrow || i32::try_from(n).is_ok());
    (!fits).then(|| {
        format!(
            "json: cannot unmarshal number {number} into Go struct field {}.{} of type {}",
            place.holder, place.path, node.go_type
        )
    })
}

fn quantity(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) => None,
        Value::String(text) => Quantity::parse(text).err().map(|error| error.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Some(Format.to_string())
        }
    }
}

fn mismatch(value: &Value, node: &Node, place: &Place<'_>) -> String {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let want =
        if node.go_type.is_empty() { node.resolve().go_type.clone() } else { node.go_type.clone() };
    if place.path.is_empty() {
        return format!("json: cannot unmarshal {got} into Go value of type {want}");
    }
    format!(
        "json: cannot unmarshal {got} into Go struct field {}.{} of type {want}",
        place.holder, place.path
    )
}

/// `v1.PodSpec` is `PodSpec` in a message.
fn short(go_type: &str) -> String {
    go_type.rsplit('.').next().unwrap_or(go_type).to_owned()
}

//! What a typed decoder says of a value of the wrong type, for built-in kinds.

use serde_json::Value;

use super::node::{Node, Type};
use super::validate::is_integer;

/// The first error that decoding into the kind's type would give.
pub(super) fn type_error(root: &Node, object: &Value) -> Option<String> {
    let name = root.resolve().go_type.clone();
    walk(root, object, &Place { holder: &short(&name), path: "" })
}

/// Where a value stands: the struct whose field it is, and the fields from the root on.
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
    let valid = match value {
        Value::Number(_) => true,
        Value::String(text) => is_quantity(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    (!valid).then(|| {
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned()
    })
}

/// The amount of a quantity, exact enough to compare a request with a limit.
pub(crate) fn amount(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.as_str(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        exponent => 10_f64.powi(exponent.get(1..)?.parse().ok()?),
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// Whether a text is a quantity: a decimal number with a unit or an exponent.
fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(digits);
    let numeric = number.chars().any(|c| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    let unit = matches!(
        suffix,
        "" | "n"
            | "u"
            | "m"
            | "k"
            | "M"
            | "G"
            | "T"
            | "P"
            | "E"
            | "Ki"
            | "Mi"
            | "Gi"
            | "Ti"
            | "Pi"
            | "Ei"
    );
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|rest| rest.parse::<i32>().is_ok());
    numeric && (unit || exponent)
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

//! Validation by schema, in the words of Kubernetes' validator for custom resources.

use std::collections::HashSet;

use serde_json::Value;

use super::formats;
use super::invalid::Invalid;
use super::node::{Limits, List, Node, Type};
use super::values::is_integer;

/// The problems of a custom resource by its schema.
pub(super) fn check(root: &Node, object: &Value) -> Vec<Invalid> {
    let mut found = Vec::new();
    walk(root, object, "", &mut found);
    found
}

/// The problems of a value at `path`.
pub(super) fn check_at(node: &Node, value: &Value, path: &str) -> Vec<Invalid> {
    let mut found = Vec::new();
    walk(node, value, path, &mut found);
    found
}

fn walk(node: &Node, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    let target = node.resolve();
    if value.is_null() {
        // Metadata and untyped fields may hold null; a typed field says so with `nullable`.
        if !node.nullable && !matches!(target.kind, Type::Any) {
            wrong_type(target.kind, value, path, found);
        }
        return;
    }
    if !fits(target.kind, value) {
        wrong_type(target.kind, value, path, found);
        return;
    }
    if let Some(format) = node.format.as_deref().filter(|f| !formats::fits(target.kind, f, value)) {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let detail = format!("{}must be of type {format}: {shown:?}", in_body(path));
        found.push(Invalid::type_invalid(path, value, &detail));
    }
    if let Some(limits) = &node.limits {
        self::limits(limits, value, path, found);
    }
    match value {
        Value::Object(map) => {
            for name in &target.required {
                if !map.contains_key(name) {
                    found.push(Invalid::required(child(path, name), ""));
                }
            }
            for (name, item) in map {
                let metadata = (path.is_empty() || target.embedded)
                    && matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
                if let Some(schema) = node.field(name).filter(|_| !metadata) {
                    let at = child(path, name);
                    walk(schema, item, &at, found);
                }
            }
            if target.embedded {
                embedded(value, path, found);
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &target.items {
                for (index, item) in items.iter().enumerate() {
                    walk(schema, item, &format!("{path}[{index}]"), found);
                }
            }
            if let Some(list) = &node.list {
                duplicates(list, node, items, path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fits(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Any => true,
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer => is_integer(value),
        Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
        Type::IntOrString => value.is_string() || is_integer(value),
        Type::Quantity => value.is_string() || value.is_number(),
    }
}

fn wrong_type(kind: Type, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    let want = match kind {
        Type::IntOrString => "integer,string",
        other => other.as_openapi().unwrap_or("object"),
    };
    let got = type_name(value);
    let detail = format!("{}must be of type {want}: {got:?}", in_body(path));
    found.push(Invalid::type_invalid(path, &Value::String(got.to_owned()), &detail));
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn in_body(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path} in body ") }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn limits(limits: &Limits, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    if !limits.allowed.is_empty() && !limits.allowed.contains(value) {
        let supported: Vec<String> = limits
            .allowed
            .iter()
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            .collect();
        found.push(Invalid::not_supported(path, value, &supported));
    }
    match value {
        Value::String(text) => text_limits(limits, text, value, path, found),
        Value::Number(_) => number_limits(limits, value, path, found),
        Value::Array(items) => {
            let count = items.len() as u64;
            if let Some(least) = limits.min_items.filter(|n| count < *n) {
                let detail = format!("{}should have at least {least} items", in_body(path));
                found.push(Invalid::value(path, &count.into(), &detail));
            }
            if let Some(most) = limits.max_items.filter(|n| count > *n) {
                found.push(Invalid::too_many(path, items.len(), most));
            }
        }
        Value::Object(map) => {
            let count = map.len() as u64;
            if let Some(least) = limits.min_properties.filter(|n| count < *n) {
                let detail = format!("{}should have at least {least} properties", in_body(path));
                found.push(Invalid::value(path, &count.into(), &detail));
            }
            if let Some(most) = limits.max_properties.filter(|n| count > *n) {
                found.push(Invalid::too_many(path, map.len(), most));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    branches(limits, value, path, found);
}

fn text_limits(limits: &Limits, text: &str, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    let length = text.chars().count() as u64;
    if let Some(least) = limits.min_length.filter(|n| length < *n) {
        let detail = format!("{}should be at least {least} chars long", in_body(path));
        found.push(Invalid::value(path, value, &detail));
    }
    if let Some(most) = limits.max_length.filter(|n| length > *n) {
        found.push(Invalid::too_long(path, most));
    }
    if let Some(pattern) = limits.pattern.as_ref().filter(|p| !p.regex.is_match(text)) {
        let detail = format!("{}should match '{}'", in_body(path), pattern.text);
        found.push(Invalid::value(path, value, &detail));
    }
}

fn number_limits(limits: &Limits, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    let number = value.as_f64().unwrap_or_default();
    if let Some((least, exclusive)) = limits.minimum
        && (number < least || exclusive && number <= least)
    {
        let than = if exclusive { "greater than" } else { "greater than or equal to" };
        found.push(Invalid::value(
            path,
            value,
            &format!("{}should be {than} {least}", in_body(path)),
        ));
    }
    if let Some((most, exclusive)) = limits.maximum
        && (number > most || exclusive && number >= most)
    {
        let than = if exclusive { "less than" } else { "less than or equal to" };
        found.push(Invalid::value(
            path,
            value,
            &format!("{}should be {than} {most}", in_body(path)),
        ));
    }
    if let Some(factor) = limits.multiple_of
        && factor != 0.0
        && (number / factor).fract().abs() > 1e-9
    {
        found.push(Invalid::value(
            path,
            value,
            &format!("{}should be a multiple of {factor}", in_body(path)),
        ));
    }
}

fn branches(limits: &Limits, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    let passes = |node: &Node| {
        let mut inner = Vec::new();
        walk(node, value, path, &mut inner);
        inner.is_empty()
    };
    let shown = if value.is_object() || value.is_array() {
        Value::String(String::new())
    } else {
        value.clone()
    };
    for node in &limits.all_of {
        walk(node, value, path, found);
    }
    if !limits.any_of.is_empty() && !limits.any_of.iter().any(passes) {
        let detail = format!("{}must validate at least one schema (anyOf)", in_body(path));
        found.push(Invalid::value(path, &shown, &detail));
    }
    if !limits.one_of.is_empty() {
        let count = limits.one_of.iter().filter(|node| passes(node)).count();
        if count != 1 {
            let rest = if count == 0 {
                " Found none valid".to_owned()
            } else {
                format!(" Found {count} valid alternatives")
            };
            let detail =
                format!("{}must validate one and only one schema (oneOf).{rest}", in_body(path));
            found.push(Invalid::value(path, &shown, &detail));
        }
    }
    if limits.not.as_deref().is_some_and(passes) {
        let detail = format!("{}must not validate the schema (not)", in_body(path));
        found.push(Invalid::value(path, &shown, &detail));
    }
}

/// Sets hold each value once; lists that are maps hold each key once.
fn duplicates(list: &List, node: &Node, items: &[Value], path: &str, found: &mut Vec<Invalid>) {
    let identity: Vec<Value> = match list {
        List::Atomic => return,
        List::Set => items.to_vec(),
        List::Map(keys) => items
            .iter()
            .map(|item| {
                Value::Object(
                    keys.iter().filter_map(|k| Some((k.clone(), key_of(node, item, k)?))).collect(),
                )
            })
            .collect(),
    };
    let mut seen = HashSet::with_capacity(identity.len());
    for (index, value) in identity.iter().enumerate() {
        if !seen.insert(canonical(value)) {
            found.push(Invalid::duplicate(format!("{path}[{index}]"), value));
        }
    }
}

/// The same text for equal values, whatever the order of their fields.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<String> =
                map.iter().map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn key_of(node: &Node, item: &Value, key: &str) -> Option<Value> {
    item.get(key).cloned().or_else(|| node.resolve().items.as_ref()?.field(key)?.default.clone())
}

fn embedded(value: &Value, path: &str, found: &mut Vec<Invalid>) {
    for name in ["apiVersion", "kind"] {
        if value[name].as_str().unwrap_or_default().is_empty() {
            found.push(Invalid::required(child(path, name), "must not be empty"));
        }
    }
}

#[cfg(test)]
mod tests;

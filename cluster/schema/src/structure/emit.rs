//! A node as OpenAPI v3, without descriptions.

use serde_json::{Map, Value, json};

use super::node::{List, Node, Type};
use super::types;

/// The OpenAPI v3 form of a node; built-in types are referred to by name.
pub(super) fn node(node: &Node) -> Value {
    let mut out = Map::new();
    match &node.reference {
        // A reference with other keywords needs `allOf`: siblings of `$ref` are ignored.
        Some(name) => {
            let target =
                json!({"$ref": format!("#/components/schemas/{}", types::openapi_name(name))});
            if node.default.is_none() && node.strategy.is_none() {
                return target;
            }
            out.insert("allOf".into(), json!([target]));
        }
        None => shape(node, &mut out),
    }
    if let Some(default) = &node.default {
        out.insert("default".into(), default.clone());
    }
    if node.nullable {
        out.insert("nullable".into(), Value::Bool(true));
    }
    extensions(node, &mut out);
    Value::Object(out)
}

fn shape(node: &Node, out: &mut Map<String, Value>) {
    match node.kind {
        Type::IntOrString => {
            out.insert("format".into(), json!("int-or-string"));
            out.insert("oneOf".into(), json!([{"type": "integer"}, {"type": "string"}]));
            return;
        }
        Type::Quantity => {
            out.insert("oneOf".into(), json!([{"type": "string"}, {"type": "number"}]));
            return;
        }
        Type::Any
        | Type::Object
        | Type::Array
        | Type::String
        | Type::Integer
        | Type::Number
        | Type::Boolean => {}
    }
    if let Some(kind) = node.kind.as_openapi() {
        out.insert("type".into(), json!(kind));
    }
    if let Some(format) = &node.format {
        out.insert("format".into(), json!(format));
    }
    if !node.properties.is_empty() {
        let fields = node.properties.iter().map(|(name, field)| (name.clone(), self::node(field)));
        out.insert("properties".into(), Value::Object(fields.collect()));
    }
    if !node.required.is_empty() {
        out.insert("required".into(), json!(node.required));
    }
    if let Some(values) = &node.additional {
        out.insert("additionalProperties".into(), self::node(values));
    }
    if let Some(items) = &node.items {
        out.insert("items".into(), self::node(items));
    }
    if let Some(limits) = &node.limits
        && !limits.allowed.is_empty()
    {
        out.insert("enum".into(), json!(limits.allowed));
    }
}

fn extensions(node: &Node, out: &mut Map<String, Value>) {
    match &node.list {
        Some(List::Atomic) => {
            out.insert("x-kubernetes-list-type".into(), json!("atomic"));
        }
        Some(List::Set) => {
            out.insert("x-kubernetes-list-type".into(), json!("set"));
        }
        Some(List::Map(keys)) => {
            out.insert("x-kubernetes-list-type".into(), json!("map"));
            out.insert("x-kubernetes-list-map-keys".into(), json!(keys));
        }
        None => {}
    }
    if node.atomic {
        out.insert("x-kubernetes-map-type".into(), json!("atomic"));
    }
    if let Some(strategy) = &node.strategy {
        let words: Vec<&str> = [(strategy.merge, "merge"), (strategy.retain_keys, "retainKeys")]
            .into_iter()
            .filter_map(|(said, word)| said.then_some(word))
            .collect();
        if !words.is_empty() {
            out.insert("x-kubernetes-patch-strategy".into(), json!(words.join(",")));
        }
        if let Some(key) = &strategy.key {
            out.insert("x-kubernetes-patch-merge-key".into(), json!(key));
        }
    }
    if node.preserve_unknown {
        out.insert("x-kubernetes-preserve-unknown-fields".into(), Value::Bool(true));
    }
}

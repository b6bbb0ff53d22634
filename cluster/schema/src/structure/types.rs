//! The types of built-in kinds, read from the committed table.
//!
//! The table is made by `cargo xtask kinds`. A type is parsed into nodes on first use: startup needs few.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use rouse_k8s::hash::fnv1a_64;

use super::node::{Limits, List, Node, Strategy, Type};

static TABLE: &str = include_str!("../../kinds/types.json");

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let file: File<'static> =
        serde_json::from_str(TABLE).expect("the committed table is what its generator wrote");
    let types = file
        .types
        .into_iter()
        .map(|(name, raw)| (name, Entry { raw, node: OnceLock::new() }))
        .collect();
    Types { types, enums: file.enums, packages: file.packages }
});

#[derive(Deserialize)]
struct File<'a> {
    packages: HashMap<String, String>,
    enums: HashMap<String, Vec<String>>,
    #[serde(borrow)]
    types: HashMap<&'a str, &'a RawValue>,
}

struct Types {
    types: HashMap<&'static str, Entry>,
    enums: HashMap<String, Vec<String>>,
    packages: HashMap<String, String>,
}

struct Entry {
    raw: &'static RawValue,
    node: OnceLock<Node>,
}

#[derive(Deserialize)]
struct TypeRow {
    fields: Vec<FieldRow>,
    #[serde(default)]
    atomic: bool,
}

/// `[name, type, protobuf numbers, more]`.
#[derive(Deserialize)]
struct FieldRow(String, String, Vec<u32>, #[serde(default)] More);

#[derive(Default, Deserialize)]
#[serde(default)]
struct More {
    required: bool,
    pointer: bool,
    default: Option<Value>,
    list: Option<String>,
    keys: Vec<String>,
    atomic: bool,
    patch: Option<String>,
    key: Option<String>,
}

/// A built-in type by its name in the table: `core.v1.PodSpec`.
#[must_use]
pub fn get(name: &str) -> Option<&'static Node> {
    let entry = TYPES.types.get(name)?;
    Some(entry.node.get_or_init(|| {
        let row: TypeRow = serde_json::from_str(entry.raw.get())
            .expect("a type of the committed table has fields");
        build(name, row)
    }))
}

/// The metadata that every object has.
#[must_use]
pub fn object_meta() -> &'static Node {
    get("meta.v1.ObjectMeta").expect("the table holds ObjectMeta")
}

/// The name of a type in OpenAPI documents: `io.k8s.api.core.v1.PodSpec`.
#[must_use]
pub fn openapi_name(name: &str) -> String {
    let Some((package, kind)) = name.rsplit_once('.') else { return name.to_owned() };
    match TYPES.packages.get(package) {
        Some(full) => format!("{full}.{kind}"),
        None => name.to_owned(),
    }
}

/// A hash of the whole table, for the ETags of OpenAPI documents.
#[must_use]
pub fn fingerprint() -> u64 {
    static HASH: LazyLock<u64> = LazyLock::new(|| fnv1a_64(TABLE.as_bytes()));
    *HASH
}

fn build(name: &str, row: TypeRow) -> Node {
    let mut node =
        Node { kind: Type::Object, atomic: row.atomic, go_type: go_type(name), ..Node::default() };
    for FieldRow(field, expression, numbers, more) in row.fields {
        if more.required {
            node.required.push(field.clone());
        }
        node.properties.insert(field, field_node(&expression, numbers, more));
    }
    node
}

fn field_node(expression: &str, numbers: Vec<u32>, more: More) -> Node {
    let mut node = of(expression);
    node.numbers = numbers;
    node.pointer = more.pointer;
    // An empty text as default only completes a list key: no typed client would send it.
    node.default = more.default.filter(|default| default != "");
    node.list = more.list.map(|list| match list.as_str() {
        "map" => List::Map(more.keys),
        "set" => List::Set,
        _ => List::Atomic,
    });
    node.atomic |= more.atomic;
    if more.patch.is_some() || more.key.is_some() {
        let words = more.patch.unwrap_or_default();
        let says = |word: &str| words.split(',').any(|w| w == word);
        node.strategy = Some(Box::new(Strategy {
            merge: says("merge"),
            retain_keys: says("retainKeys"),
            key: more.key,
        }));
    }
    node
}

/// The node of a type expression: a scalar, `[]T`, `map:T`, `or:T` or the name of a type.
fn of(expression: &str) -> Node {
    let go_type = go_type(expression);
    if let Some(inner) = expression.strip_prefix("[]") {
        return Node {
            kind: Type::Array,
            items: Some(Box::new(of(inner))),
            go_type,
            ..Node::default()
        };
    }
    if let Some(inner) = expression.strip_prefix("map:") {
        return Node {
            kind: Type::Object,
            additional: Some(Box::new(of(inner))),
            go_type,
            ..Node::default()
        };
    }
    if let Some(inner) = expression.strip_prefix("or:") {
        // Anything, or that type.
        return Node { reference: Some(inner.to_owned()), ..Node::default() };
    }
    let scalar = |kind: Type, format: Option<&str>| Node {
        kind,
        format: format.map(str::to_owned),
        go_type: go_type.clone(),
        ..Node::default()
    };
    match expression {
        "string" => scalar(Type::String, None),
        "bool" => scalar(Type::Boolean, None),
        "int32" => scalar(Type::Integer, Some("int32")),
        "int64" => scalar(Type::Integer, Some("int64")),
        "float64" => scalar(Type::Number, Some("double")),
        "bytes" => scalar(Type::String, Some("byte")),
        "time" | "microtime" => scalar(Type::String, Some("date-time")),
        "quantity" => scalar(Type::Quantity, None),
        "intorstring" => scalar(Type::IntOrString, None),
        "any" => scalar(Type::Any, None),
        "raw" => Node { preserve_unknown: true, ..scalar(Type::Object, None) },
        name => named(name, go_type),
    }
}

fn named(name: &str, go_type: String) -> Node {
    match TYPES.enums.get(name) {
        Some(values) => {
            let allowed = values.iter().cloned().map(Value::String).collect();
            let limits = Limits { allowed, ..Limits::default() };
            Node { kind: Type::String, limits: Some(Box::new(limits)), go_type, ..Node::default() }
        }
        None => Node { kind: Type::Object, reference: Some(name.to_owned()), ..Node::default() },
    }
}

/// How Go writes a type: `[]v1.Container`, `map[string]string`, `int32`.
fn go_type(expression: &str) -> String {
    if let Some(inner) = expression.strip_prefix("[]") {
        return format!("[]{}", go_type(inner));
    }
    if let Some(inner) = expression.strip_prefix("map:") {
        return format!("map[string]{}", go_type(inner));
    }
    match expression {
        "bytes" => "[]uint8".to_owned(),
        "time" => "v1.Time".to_owned(),
        "microtime" => "v1.MicroTime".to_owned(),
        "quantity" => "resource.Quantity".to_owned(),
        "intorstring" => "intstr.IntOrString".to_owned(),
        other => {
            let from = other.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
            other[from..].to_owned()
        }
    }
}

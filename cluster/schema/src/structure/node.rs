//! One node of a schema: the type, limits and merge strategy of a value.
//!
//! Built-in kinds and CRDs become the same nodes, so that strict decoding, pruning, defaulting, validation, patches
//! and OpenAPI are each written once.

use indexmap::IndexMap;
use serde_json::Value;

/// The JSON type of a value, with the forms that Kubernetes gives a meaning of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Type {
    /// Any type: the schema names none.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
    /// A number with a unit, written as a string or a number.
    Quantity,
}

impl Type {
    /// The OpenAPI type, if there is one.
    #[must_use]
    pub fn as_openapi(self) -> Option<&'static str> {
        match self {
            Self::Any | Self::IntOrString => None,
            Self::Object => Some("object"),
            Self::Array => Some("array"),
            Self::String | Self::Quantity => Some("string"),
            Self::Integer => Some("integer"),
            Self::Number => Some("number"),
            Self::Boolean => Some("boolean"),
        }
    }
}

/// The identity of a list's items (`x-kubernetes-list-type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// How a strategic merge patch treats a list or an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strategy {
    /// Lists of objects merge item by item, lists of scalars as sets.
    pub merge: bool,
    /// The patch lists all keys that stay (`$retainKeys`).
    pub retain_keys: bool,
    /// The field that identifies an item.
    pub key: Option<String>,
}

/// Bounds on a value, and schemas that it must satisfy besides.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub allowed: Vec<Value>,
    pub pattern: Option<Pattern>,
    pub minimum: Option<(f64, bool)>,
    pub maximum: Option<(f64, bool)>,
    pub multiple_of: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub unique_items: bool,
    pub all_of: Vec<Node>,
    pub any_of: Vec<Node>,
    pub one_of: Vec<Node>,
    pub not: Option<Box<Node>>,
}

/// A regular expression, with the text it was written as.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub text: String,
    pub regex: regex::Regex,
}

/// A node of a schema.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub kind: Type,
    pub format: Option<String>,
    pub nullable: bool,
    pub default: Option<Value>,
    pub properties: IndexMap<String, Self>,
    /// The schema of a map's values.
    pub additional: Option<Box<Self>>,
    pub items: Option<Box<Self>>,
    pub required: Vec<String>,
    pub list: Option<List>,
    /// The whole map is one value (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    pub strategy: Option<Box<Strategy>>,
    pub limits: Option<Box<Limits>>,
    pub preserve_unknown: bool,
    pub embedded: bool,
    /// The name of the built-in type that this node refers to, which has the properties.
    pub reference: Option<String>,
    /// The field's protobuf number; several if its message is inlined.
    pub numbers: Vec<u32>,
    /// The Go field is a pointer: zero is a value, distinct from absent.
    pub pointer: bool,
    /// The Go type, for built-in kinds: decoding errors name it.
    pub go_type: String,
}

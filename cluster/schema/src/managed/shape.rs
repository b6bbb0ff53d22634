//! The division of values by their schema: what is one field, and what has fields below it.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::element::{Element, Scalar};
use crate::structure::{List, Node, Type, types};

/// The division of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// One field: a scalar, or an atomic map or list.
    Leaf,
    /// Nothing, in the shape of whatever it is compared with.
    Null,
    Map(&'a Map<String, Value>),
    List(&'a [Value], Keys<'a>),
}

impl Shape<'_> {
    /// Whether there is nothing below it.
    pub(super) fn is_empty(self) -> bool {
        match self {
            Shape::Leaf => false,
            Shape::Null => true,
            Shape::Map(map) => map.is_empty(),
            Shape::List(items, _) => items.is_empty(),
        }
    }
}

/// What tells the items of a list apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys<'a> {
    /// These fields of theirs.
    Fields(&'a [String]),
    /// Themselves.
    Values,
}

/// A schema at one place of an object. Without a node, the value alone says what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    node: Option<&'a Node>,
    /// An object with `apiVersion`, `kind` and `metadata`, whatever its schema says.
    whole: bool,
}

/// A field of an object.
pub(super) struct Field<'a> {
    pub(super) place: Place<'a>,
    /// The schema lists it, as a field of a struct and no key of a map.
    pub(super) named: bool,
    /// What typed clients send where there is nothing in it.
    always: Option<&'static Value>,
}

/// An object with nothing in it.
static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
static NULL: Value = Value::Null;

impl<'a> Place<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node: Some(node), whole: true }
    }

    fn below(node: Option<&'a Node>) -> Self {
        let node = node.filter(|node| !is_deduced(node));
        Self { node, whole: node.is_some_and(|node| node.resolve().embedded) }
    }

    pub(super) fn shape(self, value: &'a Value) -> Shape<'a> {
        match value {
            Value::Null => Shape::Null,
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Leaf,
            Value::Object(map) if self.divides_maps() => Shape::Map(map),
            Value::Array(items) => match self.keys() {
                Some(keys) => Shape::List(items, keys),
                None => Shape::Leaf,
            },
            Value::Object(_) => Shape::Leaf,
        }
    }

    /// Whether fields of an object here are fields of their own.
    fn divides_maps(self) -> bool {
        self.node.is_none_or(|node| {
            let target = node.resolve();
            !node.atomic && !target.atomic && matches!(target.kind, Type::Object | Type::Any)
        })
    }

    /// What tells the items of a list here apart; none for an atomic list.
    fn keys(self) -> Option<Keys<'a>> {
        let node = self.node?;
        match &node.list {
            Some(List::Atomic) => None,
            Some(List::Set) => Some(Keys::Values),
            Some(List::Map(keys)) => Some(Keys::Fields(keys)),
            // Older types have the strategy of their patches alone.
            None => {
                let strategy = node.strategy.as_deref().filter(|strategy| strategy.merge)?;
                Some(match &strategy.key {
                    Some(key) => Keys::Fields(std::slice::from_ref(key)),
                    None => Keys::Values,
                })
            }
        }
    }

    /// Whether whatever stands here is one field by the schema.
    pub(super) fn is_atomic(self) -> bool {
        let Some(node) = self.node else { return false };
        match node.resolve().kind {
            Type::Array => self.keys().is_none(),
            Type::Object => !self.divides_maps(),
            _ => false,
        }
    }

    /// The JSON type that the schema asks for, if it asks for one.
    pub(super) fn kind(self) -> Option<Type> {
        self.node.map(|node| node.resolve().kind)
    }

    /// The field `name` of an object here; `None` if the schema does not know it.
    pub(super) fn field(self, name: &str) -> Option<Field<'a>> {
        let free = Field { place: Self::below(None), named: false, always: None };
        let Some(node) = self.node else { return Some(free) };
        let target = node.resolve();
        if self.whole && name == "metadata" {
            // Typed clients send the metadata of every object.
            let always = node.reference.is_some().then(|| &*EMPTY);
            let place = Self { node: Some(types::object_meta()), whole: false };
            return Some(Field { place, named: true, always });
        }
        if let Some(found) = target.properties.get(name) {
            let always = always(target, name, found);
            return Some(Field { place: Self::below(Some(found)), named: true, always });
        }
        if self.whole && (name == "apiVersion" || name == "kind") {
            return Some(Field { named: true, ..free });
        }
        if let Some(values) = &target.additional {
            return Some(Field { place: Self::below(Some(values)), ..free });
        }
        node.is_open().then_some(free)
    }

    /// The names of fields that typed clients always send.
    pub(super) fn always(self) -> impl Iterator<Item = &'a str> {
        let target = self.node.map(Node::resolve);
        target.into_iter().flat_map(|target| {
            let fields = target.properties.iter();
            let sent = fields.filter(|(name, found)| always(target, name, found).is_some());
            sent.map(|(name, _)| name.as_str())
        })
    }

    /// The schema of the items of a list here.
    pub(super) fn items(self) -> Self {
        Self::below(self.node.and_then(|node| node.resolve().items.as_deref()))
    }

    /// The step to an item of a list here.
    pub(super) fn item(self, keys: Keys<'_>, item: &Value) -> Result<Element, String> {
        match (keys, item) {
            (Keys::Fields(names), Value::Object(map)) => self.keyed(names, map),
            (Keys::Fields(_), Value::Null) => {
                Err("associative list with keys may not have a null element".to_owned())
            }
            (Keys::Fields(_), _) => {
                Err("associative list with keys may not have non-map elements".to_owned())
            }
            (Keys::Values, Value::Object(_)) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            (Keys::Values, Value::Array(_)) => {
                Err("not supported: associative list with lists as elements".to_owned())
            }
            (Keys::Values, Value::Null) => {
                Err("associative list without keys has an element that's an explicit null"
                    .to_owned())
            }
            (Keys::Values, scalar) => Ok(Element::Value(Scalar(scalar.clone()))),
        }
    }

    fn keyed(self, names: &[String], item: &Map<String, Value>) -> Result<Element, String> {
        let default = |name: &String| {
            let items = self.node?.resolve().items.as_deref()?;
            items.resolve().properties.get(name)?.default.clone()
        };
        let keys: Vec<(String, Scalar)> = names
            .iter()
            .filter_map(|name| {
                let value = item.get(name).cloned().or_else(|| default(name))?;
                Some((name.clone(), Scalar(value)))
            })
            .collect();
        if keys.is_empty() {
            return Err(format!(
                "associative list with keys has an element that omits all key fields {names:?} (and doesn't have default values for any key fields)"
            ));
        }
        Ok(Element::keyed(keys))
    }
}

/// What typed clients send of an empty field of a built-in type: structs that are no pointers, and
/// lists that are required.
fn always(parent: &Node, name: &str, found: &Node) -> Option<&'static Value> {
    if found.pointer || found.go_type.is_empty() && found.reference.is_none() {
        return None;
    }
    if found.reference.is_some() && is_struct(found) {
        return Some(&EMPTY);
    }
    let required = || parent.required.iter().any(|required| required == name);
    (found.kind == Type::Array && required()).then_some(&NULL)
}

/// A value as typed clients send it.
pub(super) fn sent<'a>(value: Option<&'a Value>, field: &Field<'_>) -> Option<&'a Value> {
    value.or(field.always)
}

/// Whether the value alone says what it is.
fn is_deduced(node: &Node) -> bool {
    let target = node.resolve();
    let bare = target.properties.is_empty() && target.additional.is_none();
    match target.kind {
        // A node without a type that refers to one allows anything, or that type.
        _ if node.kind == Type::Any && node.reference.is_some() => true,
        Type::Any => bare,
        Type::Object => bare && target.preserve_unknown,
        _ => false,
    }
}

fn is_struct(node: &Node) -> bool {
    node.kind == Type::Object && node.resolve().kind == Type::Object && !is_deduced(node)
}

//! The fields that an object or a configuration sets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::element::Element;
use super::set::Set;
use super::shape::{Keys, Place, Shape};

/// The fields of a whole object.
pub(super) fn contents(root: Place<'_>, object: &Value) -> Set {
    below(root, object).1
}

/// Whether the value is one field, and the fields below it.
fn below(place: Place<'_>, value: &Value) -> (bool, Set) {
    match place.shape(value) {
        Shape::Leaf => (true, Set::default()),
        Shape::Null => (false, Set::default()),
        Shape::Map(map) => (false, maps(place, map)),
        Shape::List(items, keys) => (false, lists(place, items, keys)),
    }
}

fn maps(place: Place<'_>, map: &Map<String, Value>) -> Set {
    let mut set = Set::default();
    for (name, value) in map {
        let Some(field) = place.field(name) else { continue };
        let (leaf, below) = below(field.place, value);
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        set.put(Element::field(name), leaf || empty || !field.named, below);
    }
    set
}

fn lists(place: Place<'_>, items: &[Value], keys: Keys<'_>) -> Set {
    let mut seen: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
    for item in items {
        if let Ok(element) = place.item(keys, item) {
            seen.entry(element).or_default().push(item);
        }
    }
    let mut set = Set::default();
    for (element, items) in seen {
        // Items with the same key are one field together.
        let below = match items.as_slice() {
            [item] => below(place.items(), item).1,
            _ => Set::default(),
        };
        set.put(element, true, below);
    }
    set
}

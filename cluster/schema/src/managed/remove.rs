//! An object without some of its fields.

use serde_json::{Map, Value};

use super::element::Element;
use super::set::Set;
use super::shape::{Place, Shape};

/// The object without the fields of a set; what becomes empty by that goes as well.
pub(super) fn remove(root: Place<'_>, object: &Value, fields: &Set) -> Value {
    without(root, object, fields).unwrap_or_default()
}

fn without(place: Place<'_>, value: &Value, fields: &Set) -> Option<Value> {
    if fields.is_empty() {
        return Some(value.clone());
    }
    match place.shape(value) {
        Shape::Leaf | Shape::Null => Some(value.clone()),
        Shape::Map(map) => {
            let mut out = Map::new();
            for (name, value) in map {
                let node = fields.get(&Element::field(name));
                if node.member {
                    continue;
                }
                let kept = match place.field(name) {
                    Some(field) => without(field.place, value, &node.below),
                    None => Some(value.clone()),
                };
                if let Some(kept) = kept {
                    out.insert(name.clone(), kept);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        Shape::List(items, keys) => {
            let mut out = Vec::new();
            for item in items {
                let Ok(element) = place.item(keys, item) else {
                    out.push(item.clone());
                    continue;
                };
                let node = fields.get(&element);
                if !node.member {
                    out.extend(without(place.items(), item, &node.below));
                }
            }
            (!out.is_empty()).then_some(Value::Array(out))
        }
    }
}

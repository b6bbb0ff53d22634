//! The fields in which two objects differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::Element;
use super::set::Set;
use super::shape::{Keys, Place, Shape, sent};

/// The fields that a write removes, changes and adds. No field is in two of them.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) removed: Set,
    pub(super) modified: Set,
    pub(super) added: Set,
}

/// What becomes of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Same,
    Removed,
    Modified,
    Added,
}

impl Difference {
    fn put(&mut self, element: &Element, fate: Fate, below: Self) {
        self.removed.put(element.clone(), fate == Fate::Removed, below.removed);
        self.modified.put(element.clone(), fate == Fate::Modified, below.modified);
        self.added.put(element.clone(), fate == Fate::Added, below.added);
    }

    /// The fields whose values are new.
    pub(super) fn written(&self) -> Set {
        self.modified.union(&self.added)
    }
}

/// The difference of two whole objects.
pub(super) fn compare(root: Place<'_>, old: &Value, new: &Value) -> Difference {
    let mut found = Difference::default();
    walk(root, Some(old), Some(new), &mut found);
    found
}

/// Collects the differences below a place; returns its own.
fn walk(
    place: Place<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    found: &mut Difference,
) -> Fate {
    let shapes = (old.map(|v| place.shape(v)), new.map(|v| place.shape(v)));
    let empty = |shape: Option<Shape<'_>>| shape.is_none_or(Shape::is_empty);
    if empty(shapes.0) && empty(shapes.1) || shapes == (Some(Shape::Leaf), Some(Shape::Leaf)) {
        return leaf(old, new);
    }
    let nothing = &Map::new();
    match shapes {
        (Some(Shape::Map(a)), Some(Shape::Map(b))) => maps(place, Some(a), Some(b), found),
        (Some(Shape::Map(a)), None) => maps(place, Some(a), None, found),
        (None, Some(Shape::Map(b))) => maps(place, None, Some(b), found),
        (Some(Shape::Map(a)), Some(Shape::Null)) => maps(place, Some(a), Some(nothing), found),
        (Some(Shape::Null), Some(Shape::Map(b))) => maps(place, Some(nothing), Some(b), found),
        (Some(Shape::List(a, keys)), Some(Shape::List(b, _))) => lists(place, keys, a, b, found),
        (Some(Shape::List(a, keys)), None | Some(Shape::Null)) => lists(place, keys, a, &[], found),
        (None | Some(Shape::Null), Some(Shape::List(b, keys))) => lists(place, keys, &[], b, found),
        (None | Some(Shape::Leaf | Shape::Null), None | Some(Shape::Leaf | Shape::Null)) => {
            return leaf(old, new);
        }
        // A value of another type takes the place of the old one.
        (Some(_), Some(_)) => {
            walk(place, old, None, found);
            walk(place, None, new, found);
            return Fate::Modified;
        }
    }
    match (old, new) {
        (None, _) => Fate::Added,
        (_, None) => Fate::Removed,
        (Some(_), Some(_)) => Fate::Same,
    }
}

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Fate {
    match (old, new) {
        (None, None) => Fate::Same,
        (None, Some(_)) => Fate::Added,
        (Some(_), None) => Fate::Removed,
        (Some(old), Some(new)) if old == new => Fate::Same,
        (Some(_), Some(_)) => Fate::Modified,
    }
}

fn maps(
    place: Place<'_>,
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    found: &mut Difference,
) {
    let keys = old.into_iter().chain(new).flat_map(Map::keys).map(String::as_str);
    let names: BTreeSet<&str> = keys.chain(place.always()).collect();
    for name in names {
        // Fields that the schema does not know cannot be stored.
        let Some(field) = place.field(name) else { continue };
        let before = old.and_then(|map| sent(map.get(name), &field));
        let after = new.and_then(|map| sent(map.get(name), &field));
        if before == after {
            continue;
        }
        let mut below = Difference::default();
        let fate = walk(field.place, before, after, &mut below);
        found.put(&Element::field(name), fate, below);
    }
}

fn lists(place: Place<'_>, keys: Keys<'_>, old: &[Value], new: &[Value], found: &mut Difference) {
    let mut items: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for item in old {
        if let Ok(element) = place.item(keys, item) {
            items.entry(element).or_default().0.push(item);
        }
    }
    for item in new {
        if let Ok(element) = place.item(keys, item) {
            items.entry(element).or_default().1.push(item);
        }
    }
    for (element, (before, after)) in items {
        let mut below = Difference::default();
        let mut one =
            |old: Option<&Value>, new: Option<&Value>| walk(place.items(), old, new, &mut below);
        // Items with the same key are one field together.
        let fate = match (before.as_slice(), after.as_slice()) {
            (before, after) if before == after => continue,
            ([] | [_], [] | [_]) => one(before.first().copied(), after.first().copied()),
            ([_, _, ..], [_, _, ..]) => Fate::Modified,
            ([_, _, ..], after) => {
                if let Some(after) = after.first() {
                    one(None, Some(after));
                }
                Fate::Removed
            }
            (before, [_, _, ..]) => {
                if let Some(before) = before.first() {
                    one(Some(before), None);
                }
                Fate::Added
            }
        };
        found.put(&element, fate, below);
    }
}

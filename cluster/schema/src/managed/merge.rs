//! A configuration laid over an object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::Element;
use super::shape::{Keys, Place, Shape};

/// The object with the values of the configuration; everything else stays.
pub(super) fn merge(root: Place<'_>, live: &Value, config: &Value) -> Value {
    both(root, Some(live), Some(config)).unwrap_or_default()
}

fn both(place: Place<'_>, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let (Some(old), Some(new)) = (live, config) else { return live.or(config).cloned() };
    let nothing = &Map::new();
    match (place.shape(old), place.shape(new)) {
        (a, b) if a.is_empty() && b.is_empty() => Some(new.clone()),
        (Shape::Map(a), Shape::Map(b)) => maps(place, a, b),
        (Shape::Map(a), Shape::Null) => maps(place, a, nothing),
        (Shape::List(a, keys), Shape::List(b, _)) => Some(lists(place, keys, a, b)),
        (Shape::List(a, keys), Shape::Null) => Some(lists(place, keys, a, &[])),
        _ => Some(new.clone()),
    }
}

fn maps(place: Place<'_>, live: &Map<String, Value>, config: &Map<String, Value>) -> Option<Value> {
    let mut out = Map::new();
    for name in live.keys().chain(config.keys()).collect::<BTreeSet<_>>() {
        let value = match place.field(name) {
            Some(field) => both(field.place, live.get(name), config.get(name)),
            // Decoding removes what the schema does not know.
            None => config.get(name).or(live.get(name)).cloned(),
        };
        if let Some(value) = value {
            out.insert(name.clone(), value);
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// Items of both in the order of the configuration; those of the object alone keep their places.
fn lists(place: Place<'_>, keys: Keys<'_>, live: &[Value], config: &[Value]) -> Value {
    let element = |item: &Value| place.item(keys, item).ok();
    let ours: Vec<(Element, &Value)> =
        config.iter().filter_map(|item| Some((element(item)?, item))).collect();
    let theirs: Vec<(Option<Element>, &Value)> =
        live.iter().map(|item| (element(item), item)).collect();
    let mut first: BTreeMap<&Element, Option<&Value>> = BTreeMap::new();
    for (element, item) in &theirs {
        if let Some(element) = element {
            // Items with the same key are not merged with a new one.
            first.entry(element).and_modify(|known| *known = None).or_insert(Some(*item));
        }
    }
    let wanted: BTreeSet<&Element> = ours.iter().map(|(element, _)| element).collect();
    let shared: BTreeSet<&Element> =
        wanted.iter().copied().filter(|element| first.contains_key(element)).collect();
    let mut out = Vec::new();
    let mut merged = |(element, item): &(Element, &Value)| {
        let before = first.get(element).copied().flatten();
        both(place.items(), before, Some(item))
    };
    let mut taken: BTreeSet<&Element> = BTreeSet::new();
    let mut next = 0;
    for (element, item) in &theirs {
        let Some(element) = element.as_ref().filter(|element| shared.contains(element)) else {
            out.push((*item).clone());
            continue;
        };
        // The configuration's items up to this one come here, unless it was taken already.
        while !taken.contains(element) {
            let Some(ours) = ours.get(next) else { break };
            next += 1;
            taken.insert(&ours.0);
            out.extend(merged(ours));
            // Another shared item came first: this one keeps its turn.
            if shared.contains(&ours.0) && ours.0 != *element {
                break;
            }
        }
    }
    out.extend(ours.get(next..).unwrap_or_default().iter().filter_map(&mut merged));
    Value::Array(out)
}

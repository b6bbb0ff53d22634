//! Sets of fields brought in line with the schema of today.

use super::element::Element;
use super::set::{Node, Set};
use super::shape::Place;

/// A set whose fields below what is one field by the schema are that one field. A CRD may have made a
/// list or a map atomic after the set was written.
pub(super) fn reconcile(place: Place<'_>, set: &Set) -> Set {
    set.map(|element, node| {
        let Some(place) = step(place, element) else { return node.clone() };
        if place.is_atomic() && !node.below.is_empty() {
            return Node { member: true, below: Set::default() };
        }
        Node { member: node.member, below: reconcile(place, &node.below) }
    })
}

/// With the fields of structs that have fields below them in the set.
pub(super) fn with_structs(place: Place<'_>, set: &Set) -> Set {
    set.map(|element, node| {
        let named = match element {
            Element::Field(name) => place.field(name).is_some_and(|field| field.named),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => false,
        };
        let below = match step(place, element) {
            Some(place) => with_structs(place, &node.below),
            None => node.below.clone(),
        };
        Node { member: node.member || named && !node.below.is_empty(), below }
    })
}

fn step<'a>(place: Place<'a>, element: &Element) -> Option<Place<'a>> {
    match element {
        Element::Field(name) => place.field(name).map(|field| field.place),
        Element::Key(_) | Element::Value(_) | Element::Index(_) => Some(place.items()),
    }
}

//! A write, as managed fields see it.

use std::sync::LazyLock;

use super::compare::Difference;
use super::entries::{Entry, Operation};
use super::error::{Conflict, Error, named};
use super::set::Set;
use super::shape::Place;
use crate::structure::Schema;

/// The part of an object that a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Everything,
    /// Everything but the status, which has a subresource of its own.
    AllButStatus,
    Status,
}

/// A write of one manager.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    pub schema: &'a Schema,
    pub api_version: &'a str,
    pub manager: &'a str,
    /// `status`, `scale`, or empty.
    pub subresource: &'a str,
    pub scope: Scope,
    /// RFC 3339.
    pub now: &'a str,
    /// Whether a version is served: entries of others are dropped.
    pub serves: &'a dyn Fn(&str) -> bool,
}

impl<'a> Write<'a> {
    pub(super) fn root(&self) -> Place<'a> {
        Place::root(self.schema.root())
    }

    /// The entry of this writer, with these fields.
    pub(super) fn entry(&self, operation: Operation, fields: Set) -> Entry {
        Entry {
            manager: self.manager.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            subresource: self.subresource.to_owned(),
            time: None,
            fields,
        }
    }

    /// The fields of a set that this write may change.
    pub(super) fn within(&self, set: &Set) -> Set {
        use super::element::Element;
        let keeps = |element: &Element| {
            let status = *element == Element::field("status");
            match self.scope {
                Scope::Everything => true,
                Scope::AllButStatus => !status,
                Scope::Status => status,
            }
        };
        set.map(|element, node| if keeps(element) { node.clone() } else { Default::default() })
    }

    pub(super) fn changes(&self, difference: &Difference) -> Difference {
        Difference {
            removed: self.within(&difference.removed),
            modified: self.within(&difference.modified),
            added: self.within(&difference.added),
        }
    }

    /// Without the fields that nobody owns: those that name the object, and those that the server sets.
    pub(super) fn owned(set: &Set) -> Set {
        static NOBODYS: LazyLock<Set> = LazyLock::new(|| {
            let names: [&[&str]; 12] = [
                &["apiVersion"],
                &["kind"],
                &["metadata"],
                &["metadata", "name"],
                &["metadata", "namespace"],
                &["metadata", "creationTimestamp"],
                &["metadata", "selfLink"],
                &["metadata", "uid"],
                &["metadata", "clusterName"],
                &["metadata", "generation"],
                &["metadata", "managedFields"],
                &["metadata", "resourceVersion"],
            ];
            Set::of(&names)
        });
        set.difference(&NOBODYS)
    }
}

/// Takes what a write changes from the managers that owned it, but from `writer`. Without `force` a
/// field of another manager that is changed is a conflict.
pub(super) fn take(
    entries: &mut Vec<Entry>,
    difference: &Difference,
    writer: Option<&Entry>,
    force: bool,
) -> Result<(), Error> {
    let written = difference.written();
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|e| writer.is_none_or(|w| !e.is_same(w))) {
        let lost = entry.fields.intersection(&written);
        if !force {
            let manager = named(entry);
            let conflict = |field| Conflict { manager: manager.clone(), field };
            conflicts.extend(lost.paths().into_iter().map(conflict));
        }
        entry.fields = entry.fields.difference(&lost).difference(&difference.removed);
    }
    if !conflicts.is_empty() {
        conflicts.sort_by(|a, b| a.manager.cmp(&b.manager));
        return Err(Error::Conflicts(conflicts));
    }
    entries.retain(|entry| !entry.fields.is_empty());
    Ok(())
}

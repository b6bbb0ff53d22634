//! The garbage collector: deletes an object when all its owners are gone.
//!
//! ```text
//! background  the owner is deleted at once, its dependents after it
//! foreground  the owner waits until the dependents that block its deletion are gone
//! orphan      the dependents lose their reference to the owner, then it is deleted
//! ```
//!
//! An owner that is not found is gone, unless its kind is not served: then the object stays. Owners
//! that block one another in a cycle are deleted.
//!
//! Upstream: `pkg/controller/garbagecollector/garbagecollector.go`.

use std::collections::HashSet;
use std::sync::Arc;

use rouse_apiserver::registry::Propagation;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object, Owner};
use rouse_k8s::keys::{FOREGROUND_DELETION, ORPHAN_DEPENDENTS};
use serde_json::Value;

use super::objects::{Objects, remove_finalizer};

/// Deletes an object without owners left, or continues a deletion that waits for dependents.
pub(super) fn collect(objects: &Objects, key: &Key) -> Result<(), Failure> {
    let Some(object) = objects.store.get(key) else { return Ok(()) };
    let has = |name: &str| object.finalizers.iter().any(|finalizer| finalizer == name);
    if object.deletion_timestamp.is_some() {
        return if has(ORPHAN_DEPENDENTS) {
            orphan(objects, &object)
        } else if has(FOREGROUND_DELETION) {
            foreground(objects, &object)
        } else {
            Ok(())
        };
    }
    if object.owners.is_empty() {
        return Ok(());
    }
    let (mut alive, mut gone): (Vec<&Owner>, Vec<&Owner>) = (Vec::new(), Vec::new());
    for owner in &object.owners {
        match presence(objects, &object, owner) {
            Presence::There => alive.push(owner),
            Presence::Gone => gone.push(owner),
            // As upstream, which tries again until the kind can be mapped.
            Presence::Unknown => return Ok(()),
        }
    }
    if gone.is_empty() {
        // Owners that wait for their dependents wait for this one too.
        let waiting = alive.iter().all(|owner| waits(objects, owner));
        if waiting {
            objects.delete(key, Propagation::Foreground)?;
        }
        return Ok(());
    }
    if alive.is_empty() {
        return objects.delete(key, Propagation::Background);
    }
    let gone: Vec<String> = gone.iter().map(|owner| owner.uid.clone()).collect();
    objects.change(key, |object| forget(object, &gone)).map(|_| ())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    Gone,
    /// Its kind is not served, so it cannot be looked up.
    Unknown,
}

/// Whether an owner exists: the same object, not another of its name.
fn presence(objects: &Objects, dependent: &Object, owner: &Owner) -> Presence {
    let Some(key) = objects.graph(|graph| graph.key(&owner.uid).cloned()) else {
        let gone = objects.graph(|graph| graph.was_seen_to_go(&owner.uid))
            || objects.serves(&owner.api_version, &owner.kind);
        return if gone { Presence::Gone } else { Presence::Unknown };
    };
    // An owner in another namespace counts as gone.
    let there = (key.namespace.is_empty() || key.namespace == dependent.key.namespace)
        && objects.store.get(&key).is_some_and(|found| found.uid == owner.uid);
    if there { Presence::There } else { Presence::Gone }
}

/// Whether an owner is being deleted and waits for its dependents.
fn waits(objects: &Objects, owner: &Owner) -> bool {
    let key = objects.graph(|graph| graph.key(&owner.uid).cloned());
    key.and_then(|key| objects.store.get(&key)).is_some_and(|found| deletes_dependents(&found))
}

/// Whether an object is being deleted in the foreground.
fn deletes_dependents(object: &Object) -> bool {
    object.deletion_timestamp.is_some()
        && object.finalizers.iter().any(|f| f == FOREGROUND_DELETION)
}

/// Whether `dependent` waits for `owner` too, directly or not: neither would ever be deleted.
fn waits_for(objects: &Objects, dependent: &Arc<Object>, owner: &Object) -> bool {
    let mut seen = HashSet::new();
    let mut next = vec![Arc::clone(dependent)];
    while let Some(object) = next.pop() {
        if object.uid == owner.uid {
            return true;
        }
        if deletes_dependents(&object) && seen.insert(object.uid.clone()) {
            next.extend(dependents(objects, &object));
        }
    }
    false
}

/// The objects that name this one as their owner.
fn dependents(objects: &Objects, owner: &Object) -> Vec<Arc<Object>> {
    let keys = objects.graph(|graph| graph.dependents(&owner.uid));
    let found = keys.iter().filter_map(|key| objects.store.get(key));
    found.filter(|object| object.owners.iter().any(|o| o.uid == owner.uid)).collect()
}

fn foreground(objects: &Objects, owner: &Object) -> Result<(), Failure> {
    for dependent in dependents(objects, owner) {
        if dependent.deletion_timestamp.is_none() {
            collect(objects, &dependent.key)?;
        }
    }
    let blocks = |dependent: &Arc<Object>| {
        dependent.owners.iter().any(|o| o.uid == owner.uid && o.block_owner_deletion)
            && !waits_for(objects, dependent, owner)
    };
    let blocked = dependents(objects, owner).iter().any(blocks);
    if !blocked {
        objects.change(&owner.key, |object| remove_finalizer(object, FOREGROUND_DELETION))?;
    }
    Ok(())
}

fn orphan(objects: &Objects, owner: &Object) -> Result<(), Failure> {
    let uid = [owner.uid.clone()];
    for dependent in dependents(objects, owner) {
        objects.change(&dependent.key, |object| forget(object, &uid))?;
    }
    objects.change(&owner.key, |object| remove_finalizer(object, ORPHAN_DEPENDENTS)).map(|_| ())
}

/// Removes owner references from an object.
fn forget(object: &mut Value, uids: &[String]) {
    let meta = &mut object["metadata"];
    if let Some(owners) = meta["ownerReferences"].as_array_mut() {
        owners.retain(|owner| uids.iter().all(|uid| owner["uid"] != uid.as_str()));
        if owners.is_empty()
            && let Some(meta) = meta.as_object_mut()
        {
            meta.remove("ownerReferences");
        }
    }
}

#[cfg(test)]
mod tests;

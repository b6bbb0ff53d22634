//! The garbage collector: an object goes when all its owners are gone.
//!
//! ```text
//! background  the owner goes at once, its dependents after it
//! foreground  the owner waits until those that block its deletion are gone
//! orphan      the dependents forget the owner, then it goes
//! ```
//!
//! Upstream: `pkg/controller/garbagecollector/garbagecollector.go`.

use serde_json::Value;

use super::objects::{FOREGROUND, ORPHAN, Objects, Propagation, remove_finalizer};
use crate::store::{Key, Object, Owner};

/// Looks at an object: whether it has to go, or waits for its dependents.
pub(super) fn collect(objects: &Objects, key: &Key) {
    let Some(object) = objects.store.get(key) else { return };
    let has = |name: &str| object.finalizers.iter().any(|finalizer| finalizer == name);
    if object.deletion_timestamp.is_some() {
        if has(ORPHAN) {
            orphan(objects, &object);
        } else if has(FOREGROUND) {
            foreground(objects, &object);
        }
        return;
    }
    if object.owners.is_empty() {
        return;
    }
    let (alive, gone): (Vec<&Owner>, Vec<&Owner>) =
        object.owners.iter().partition(|owner| is_there(objects, &object, owner));
    if gone.is_empty() {
        // Owners that wait for their dependents want this one gone.
        let waiting = alive.iter().all(|owner| waits(objects, owner));
        if waiting {
            objects.delete(key, Propagation::Foreground);
        }
        return;
    }
    if alive.is_empty() {
        objects.delete(key, Propagation::Background);
        return;
    }
    let gone: Vec<String> = gone.iter().map(|owner| owner.uid.clone()).collect();
    objects.change(key, |object| forget(object, &gone));
}

/// Whether an owner exists: the same object, not another of its name.
fn is_there(objects: &Objects, dependent: &Object, owner: &Owner) -> bool {
    let Some(key) = objects.graph(|graph| graph.key(&owner.uid).cloned()) else { return false };
    // An owner in another namespace is none.
    (key.namespace.is_empty() || key.namespace == dependent.key.namespace)
        && objects.store.get(&key).is_some_and(|found| found.uid == owner.uid)
}

/// Whether an owner is being deleted and waits for this kind of dependent.
fn waits(objects: &Objects, owner: &Owner) -> bool {
    let key = objects.graph(|graph| graph.key(&owner.uid).cloned());
    key.and_then(|key| objects.store.get(&key)).is_some_and(|found| {
        found.deletion_timestamp.is_some() && found.finalizers.iter().any(|f| f == FOREGROUND)
    })
}

/// What still names this object as its owner.
fn dependents(objects: &Objects, owner: &Object) -> Vec<std::sync::Arc<Object>> {
    let keys = objects.graph(|graph| graph.dependents(&owner.uid));
    let found = keys.iter().filter_map(|key| objects.store.get(key));
    found.filter(|object| object.owners.iter().any(|o| o.uid == owner.uid)).collect()
}

fn foreground(objects: &Objects, owner: &Object) {
    for dependent in dependents(objects, owner) {
        if dependent.deletion_timestamp.is_none() {
            collect(objects, &dependent.key);
        }
    }
    let blocked = dependents(objects, owner)
        .iter()
        .flat_map(|dependent| dependent.owners.clone())
        .any(|o| o.uid == owner.uid && o.block_owner_deletion);
    if !blocked {
        objects.change(&owner.key, |object| remove_finalizer(object, FOREGROUND));
    }
}

fn orphan(objects: &Objects, owner: &Object) {
    let uid = [owner.uid.clone()];
    for dependent in dependents(objects, owner) {
        objects.change(&dependent.key, |object| forget(object, &uid));
    }
    objects.change(&owner.key, |object| remove_finalizer(object, ORPHAN));
}

/// Takes owners out of an object.
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

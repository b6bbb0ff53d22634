//! The garbage collector: an object goes when all its owners are gone.
//!
//! ```text
//! background  the owner goes at once, its dependents after it
//! foreground  the owner waits until those that block its deletion are gone
//! orphan      the dependents forget the owner, then it goes
//! ```
//!
//! Upstream: `pkg/controller/garbagecollector/garbagecollector.go`.

use rouse_apiserver::registry::Propagation;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object, Owner};
use rouse_k8s::keys::{FOREGROUND_DELETION, ORPHAN_DEPENDENTS};
use serde_json::Value;

use super::objects::{Objects, remove_finalizer};

/// Looks at an object: whether it has to go, or waits for its dependents.
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
    let (alive, gone): (Vec<&Owner>, Vec<&Owner>) =
        object.owners.iter().partition(|owner| is_there(objects, &object, owner));
    if gone.is_empty() {
        // Owners that wait for their dependents want this one gone.
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
        found.deletion_timestamp.is_some()
            && found.finalizers.iter().any(|f| f == FOREGROUND_DELETION)
    })
}

/// What still names this object as its owner.
fn dependents(objects: &Objects, owner: &Object) -> Vec<std::sync::Arc<Object>> {
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
    let blocked = dependents(objects, owner)
        .iter()
        .flat_map(|dependent| dependent.owners.clone())
        .any(|o| o.uid == owner.uid && o.block_owner_deletion);
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

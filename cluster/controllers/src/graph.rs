//! An index of owners and their dependents, by uid.
//!
//! It may be stale: an object that it names may be gone, so callers read the store.

use std::collections::{BTreeSet, HashMap, HashSet};

use rouse_apiserver::store::{Key, Object};

/// Objects by their own and their owners' uid.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Every object, with the uids of its owners.
    objects: HashMap<String, (Key, Vec<String>)>,
    dependents: HashMap<String, BTreeSet<Key>>,
    /// Deleted owners, as long as dependents name them.
    absent: HashSet<String>,
}

impl Graph {
    /// Adds or updates an object.
    pub(super) fn set(&mut self, object: &Object) {
        let owners: Vec<String> = object.owners.iter().map(|owner| owner.uid.clone()).collect();
        if let Some((key, before)) = self.objects.get(&object.uid)
            && *before == owners
            && *key == object.key
        {
            return;
        }
        self.unlink(object);
        for owner in &owners {
            self.dependents.entry(owner.clone()).or_default().insert(object.key.clone());
        }
        self.objects.insert(object.uid.clone(), (object.key.clone(), owners));
    }

    /// Removes a deleted object.
    pub(super) fn remove(&mut self, object: &Object) {
        self.unlink(object);
        if self.dependents.contains_key(&object.uid) {
            self.absent.insert(object.uid.clone());
        }
    }

    /// Takes over the deleted owners of an earlier graph.
    pub(super) fn remember(&mut self, earlier: &Self) {
        let gone = earlier.absent.iter();
        self.absent = gone.filter(|uid| self.dependents.contains_key(*uid)).cloned().collect();
    }

    fn unlink(&mut self, object: &Object) {
        let Some((key, owners)) = self.objects.remove(&object.uid) else { return };
        for owner in owners {
            if let Some(keys) = self.dependents.get_mut(&owner) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.dependents.remove(&owner);
                    self.absent.remove(&owner);
                }
            }
        }
    }

    /// The key of the object with this uid.
    pub(super) fn key(&self, uid: &str) -> Option<&Key> {
        self.objects.get(uid).map(|(key, _)| key)
    }

    /// Whether the deletion of an owner was seen.
    pub(super) fn was_seen_to_go(&self, uid: &str) -> bool {
        self.absent.contains(uid)
    }

    /// Objects that name an owner which is not indexed.
    pub(super) fn dangling(&self) -> Vec<Key> {
        let dangles =
            |owners: &[String]| owners.iter().any(|owner| !self.objects.contains_key(owner));
        let found = self.objects.values().filter(|(_, owners)| dangles(owners));
        found.map(|(key, _)| key.clone()).collect()
    }

    /// The dependents of an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }
}

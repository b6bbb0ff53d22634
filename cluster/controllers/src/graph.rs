//! Owners and their dependents, by uid, as far as they were seen.
//!
//! It says where to look, not what is so: a key it names may be gone, and the store is asked.

use std::collections::{BTreeSet, HashMap};

use rouse_apiserver::store::{Key, Object};

/// Objects by their own and their owners' uid.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Every object that is there, with the uids of its owners.
    objects: HashMap<String, (Key, Vec<String>)>,
    dependents: HashMap<String, BTreeSet<Key>>,
}

impl Graph {
    /// An object is there, in this version.
    pub(super) fn set(&mut self, object: &Object) {
        let owners: Vec<String> = object.owners.iter().map(|owner| owner.uid.clone()).collect();
        if let Some((key, before)) = self.objects.get(&object.uid)
            && *before == owners
            && *key == object.key
        {
            return;
        }
        self.remove(object);
        for owner in &owners {
            self.dependents.entry(owner.clone()).or_default().insert(object.key.clone());
        }
        self.objects.insert(object.uid.clone(), (object.key.clone(), owners));
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, object: &Object) {
        let Some((key, owners)) = self.objects.remove(&object.uid) else { return };
        for owner in owners {
            if let Some(keys) = self.dependents.get_mut(&owner) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.dependents.remove(&owner);
                }
            }
        }
    }

    /// Where the object of a uid is.
    pub(super) fn key(&self, uid: &str) -> Option<&Key> {
        self.objects.get(uid).map(|(key, _)| key)
    }

    /// What a uid owns.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }
}

//! Reads for API clients: durable state alone.
//!
//! A read waits until the newest state of the objects it asks for is durable, and for nothing else.
//! While writes fail, it gets the last durable state: reads work when the disk is full.

use std::sync::Arc;

use super::{Listed, Resource, Store, Unwritable};
use crate::object::{Key, Object};
use crate::ring::{Change, Event};

impl Store {
    /// The durable state of an object; `None` if it is durably absent.
    pub async fn get_shown(&self, key: &Key) -> Result<Option<Arc<Object>>, Unwritable> {
        let (found, newest) = {
            let inner = self.shared.inner.read();
            let place = (key.namespace.clone(), key.name.clone());
            let resource = inner.resources.get(&key.resource);
            let found = resource.and_then(|r| r.objects.get(&place).cloned());
            let newest = match &found {
                Some(object) => object.resource_version,
                None => resource.map_or(0, |r| {
                    self.newest(r, |e| e.object.key == *key).unwrap_or(inner.version)
                }),
            };
            (found, newest)
        };
        let Err(why) = self.durable(newest).await else { return Ok(found) };
        let inner = self.shared.inner.read();
        let Some(resource) = inner.resources.get(&key.resource) else { return Ok(None) };
        let pending = resource.ring.after(self.durable_version(), usize::MAX).map_err(|_| why)?;
        Ok(match pending.iter().find(|event| event.object.key == *key) {
            Some(first) => first.previous.clone(),
            None => resource.objects.get(&(key.namespace.clone(), key.name.clone())).cloned(),
        })
    }

    /// The objects of a resource in a durable state, and the version of that state.
    pub async fn list_shown(
        &self,
        resource: &str,
        namespace: Option<&str>,
    ) -> Result<Listed, Unwritable> {
        let (mut listed, newest) = {
            let inner = self.shared.inner.read();
            let found = inner.resources.get(resource);
            let ours = |event: &Event| namespace.is_none_or(|n| event.object.key.namespace == n);
            let durable = self.durable_version();
            let newest =
                found.map_or(0, |r| self.newest(r, ours).unwrap_or(inner.version)).max(durable);
            (Self::list_of(&inner, resource, namespace), newest)
        };
        let Err(why) = self.durable(newest).await else {
            // None of these objects changed between that version and the store's newest.
            listed.version = newest;
            return Ok(listed);
        };
        let inner = self.shared.inner.read();
        let durable = self.durable_version();
        let mut listed = Self::list_of(&inner, resource, namespace);
        if let Some(found) = inner.resources.get(resource) {
            let pending = found.ring.after(durable, usize::MAX).map_err(|_| why)?;
            let ours = |e: &&Arc<Event>| namespace.is_none_or(|n| e.object.key.namespace == n);
            pending.iter().rev().filter(ours).for_each(|event| undo(&mut listed.objects, event));
        }
        listed.version = durable;
        Ok(listed)
    }

    /// The version of the newest change of a resource that is not durable and matches `ours`; 0 if
    /// there is none, and `None` if the ring no longer holds it.
    fn newest(&self, resource: &Resource, ours: impl Fn(&Event) -> bool) -> Option<u64> {
        let durable = self.durable_version();
        if *resource.changed.borrow() <= durable {
            return Some(0);
        }
        let pending = resource.ring.after(durable, usize::MAX).ok()?;
        Some(pending.iter().rev().find(|event| ours(event)).map_or(0, |event| event.version))
    }
}

/// Undoes one change in a list that is ordered by namespace and name.
fn undo(objects: &mut Vec<Arc<Object>>, event: &Event) {
    let place = |key: &Key| (key.namespace.clone(), key.name.clone());
    let at = objects.binary_search_by_key(&place(&event.object.key), |o| place(&o.key));
    match (event.change, at, &event.previous) {
        (Change::Added, Ok(at), _) | (_, Ok(at), None) => {
            objects.remove(at);
        }
        (Change::Modified | Change::Deleted, Ok(at), Some(before)) => {
            objects[at] = Arc::clone(before);
        }
        (Change::Modified | Change::Deleted, Err(at), Some(before)) => {
            objects.insert(at, Arc::clone(before));
        }
        (_, Err(_), _) => {}
    }
}

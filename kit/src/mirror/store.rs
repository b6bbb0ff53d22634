//! Objects that a mirror knows, by key, and which list or watch showed them last.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Resource;
use kube::core::ObjectMeta;
use parking_lot::RwLock;
use rouse_k8s::ObjectKey;
use tokio::sync::watch;

use super::change::Change;

/// The object's UID and its resource version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Version {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Self { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() }
    }

    /// Whether an object of this version need not be yielded again.
    fn is_known(&self, known: &Self) -> bool {
        self.resource_version.is_some() && self == known
    }
}

/// An object as a list or a watch shows it.
#[derive(Debug)]
pub(super) struct Seen<T> {
    pub(super) key: ObjectKey,
    pub(super) version: Version,
    /// `None` if the object is not of interest.
    pub(super) value: Option<Arc<T>>,
}

struct Entry<T> {
    version: Version,
    value: Arc<T>,
    /// The number of the list, or of the watch after it, that showed the object last.
    list: u64,
}

/// By namespace and name.
type Objects<T> = BTreeMap<String, BTreeMap<String, Entry<T>>>;

struct State<T> {
    objects: Objects<T>,
    list: u64,
}

/// The objects that a mirror knows. Clones share them; reading never waits for the server.
pub struct Store<T> {
    state: Arc<RwLock<State<T>>>,
    in_sync: Arc<watch::Sender<bool>>,
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), in_sync: Arc::clone(&self.in_sync) }
    }
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        let state = State { objects: BTreeMap::new(), list: 0 };
        Self { state: Arc::new(RwLock::new(state)), in_sync: Arc::new(watch::Sender::new(false)) }
    }
}

impl<T> Store<T> {
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<T>> {
        let state = self.state.read();
        state.objects.get(namespace)?.get(name).map(|entry| Arc::clone(&entry.value))
    }

    /// All objects, by namespace and name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<T>> {
        self.filter(|_| true)
    }

    /// The objects that `wanted` is true of, by namespace and name.
    #[must_use]
    pub fn filter(&self, wanted: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let state = self.state.read();
        let values = state.objects.values().flat_map(|names| names.values());
        values.filter(|entry| wanted(&entry.value)).map(|entry| Arc::clone(&entry.value)).collect()
    }

    /// The objects of one namespace that `wanted` is true of, by name.
    #[must_use]
    pub fn filter_in(&self, namespace: &str, wanted: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let state = self.state.read();
        let values = state.objects.get(namespace).into_iter().flat_map(BTreeMap::values);
        values.filter(|entry| wanted(&entry.value)).map(|entry| Arc::clone(&entry.value)).collect()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.state.read().objects.values().map(BTreeMap::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns once all objects that existed when the mirror began are here; never if the mirror is
    /// not polled.
    pub async fn in_sync(&self) {
        // The sender lives as long as this handle.
        let _ = self.in_sync.subscribe().wait_for(|in_sync| *in_sync).await;
    }

    /// True if it was not in sync before.
    pub(super) fn set_in_sync(&self) -> bool {
        !self.in_sync.send_replace(true)
    }

    pub(super) fn begin_list(&self) {
        self.state.write().list += 1;
    }

    /// Stores an object and returns what that changes.
    pub(super) fn see(&self, seen: Seen<T>) -> Vec<Change<T>> {
        let Seen { key, version, value } = seen;
        let Some(new) = value else { return self.remove(&key).into_iter().collect() };
        let mut state = self.state.write();
        let list = state.list;
        let names = state.objects.entry(key.namespace.clone()).or_default();
        let entry = Entry { version: version.clone(), value: Arc::clone(&new), list };
        let Some(known) = names.get_mut(&key.name) else {
            names.insert(key.name.clone(), entry);
            return vec![Change::Added { key, new }];
        };
        if version.is_known(&known.version) {
            known.list = list;
            return Vec::new();
        }
        let Entry { version: before, value: old, .. } = std::mem::replace(known, entry);
        if before.uid == version.uid {
            return vec![Change::Changed { key, old, new }];
        }
        vec![Change::Gone { key: key.clone(), old }, Change::Added { key, new }]
    }

    pub(super) fn remove(&self, key: &ObjectKey) -> Option<Change<T>> {
        let mut state = self.state.write();
        let names = state.objects.get_mut(&key.namespace)?;
        let Entry { value: old, .. } = names.remove(&key.name)?;
        if names.is_empty() {
            state.objects.remove(&key.namespace);
        }
        Some(Change::Gone { key: key.clone(), old })
    }

    /// Removes the objects that the list did not show.
    pub(super) fn end_list(&self) -> Vec<Change<T>> {
        let mut state = self.state.write();
        let list = state.list;
        let mut gone = Vec::new();
        state.objects.retain(|namespace, names| {
            names.retain(|name, entry| {
                let stays = entry.list == list;
                if !stays {
                    let key = ObjectKey::new(namespace.as_str(), name.as_str());
                    gone.push(Change::Gone { key, old: Arc::clone(&entry.value) });
                }
                stays
            });
            !names.is_empty()
        });
        gone
    }
}

/// A store of these objects that no mirror updates, for decisions that read a store.
impl<K: Resource> FromIterator<K> for Store<K> {
    fn from_iter<I: IntoIterator<Item = K>>(objects: I) -> Self {
        let store = Self::default();
        for object in objects {
            let (key, version) = (ObjectKey::of(object.meta()), Version::of(object.meta()));
            store.see(Seen { key, version, value: Some(Arc::new(object)) });
        }
        store.set_in_sync();
        store
    }
}

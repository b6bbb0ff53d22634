//! How the built-in controllers read and write: straight on the store.
//!
//! Their writes are trusted: they are defaulted and numbered like all others, but pass no admission.
//! A change is a function of the object as it is now, tried again when another was quicker.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rouse_kit::Clock;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::graph::Graph;
use crate::kinds::{Kinds, Resource, defaults};
use crate::store::{Conflict, Key, Object, Prepared, Store};

pub(super) const PODS: &str = "pods";
pub(super) const NODES: &str = "nodes";
pub(super) const SERVICES: &str = "services";
pub(super) const NAMESPACES: &str = "namespaces";
pub(super) const ENDPOINTS: &str = "endpoints";
pub(super) const EVENTS: &str = "events";
pub(super) const CONFIG_MAPS: &str = "configmaps";
pub(super) const SERVICE_ACCOUNTS: &str = "serviceaccounts";
pub(super) const DEPLOYMENTS: &str = "deployments.apps";
pub(super) const REPLICA_SETS: &str = "replicasets.apps";
pub(super) const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";

/// Waits for dependents to go first.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Waits until dependents were let go.
pub(super) const ORPHAN: &str = "orphan";

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagation {
    Background,
    Foreground,
}

/// Told of every object that the controllers take out of the store.
pub type Removed = Arc<dyn Fn(&Arc<Resource>) + Send + Sync>;

/// The store, as controllers use it.
pub(super) struct Objects {
    pub(super) store: Store,
    pub(super) kinds: Arc<Kinds>,
    clock: Clock,
    removed: Removed,
    graph: Mutex<Graph>,
}

impl Objects {
    pub(super) fn new(store: Store, kinds: Arc<Kinds>, clock: Clock, removed: Removed) -> Self {
        Self { store, kinds, clock, removed, graph: Mutex::default() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn graph<T>(&self, look: impl FnOnce(&mut Graph) -> T) -> T {
        look(&mut self.graph.lock())
    }

    /// The resource that a key belongs to: of several versions the stored one.
    pub(super) fn resource(&self, qualified: &str) -> Option<Arc<Resource>> {
        let all = self.kinds.all();
        let mut named = all.into_iter().filter(|resource| resource.qualified() == qualified);
        let first = named.next()?;
        if first.storage || !first.custom {
            return Some(first);
        }
        Some(named.find(|resource| resource.storage).unwrap_or(first))
    }

    pub(super) fn list<T: DeserializeOwned>(
        &self,
        resource: &str,
        namespace: Option<&str>,
    ) -> Vec<T> {
        let listed = self.store.list(resource, namespace);
        listed.objects.iter().filter_map(|object| decode(object)).collect()
    }

    /// The objects of `resource` that `uid` controls.
    pub(super) fn controlled<T: DeserializeOwned>(&self, resource: &str, uid: &str) -> Vec<T> {
        self.controlled_objects(resource, uid).iter().filter_map(|o| decode(o)).collect()
    }

    pub(super) fn controlled_objects(&self, resource: &str, uid: &str) -> Vec<Arc<Object>> {
        let keys = self.graph(|graph| graph.dependents(uid));
        keys.iter()
            .filter(|key| &*key.resource == resource)
            .filter_map(|key| self.store.get(key))
            .filter(|object| object.controller().is_some_and(|owner| owner.uid == uid))
            .collect()
    }

    /// Creates an object; None if its name is taken or its namespace is going.
    pub(super) fn create(&self, resource: &str, mut value: Value) -> Option<Arc<Object>> {
        let resource = self.resource(resource)?;
        value["apiVersion"] = resource.api_version().into();
        value["kind"] = resource.kind.clone().into();
        defaults::apply(&resource, &mut value);
        if let Some(status) = defaults::initial_status(&resource, &value) {
            value["status"] = status;
        }
        let namespace = text(&value["metadata"]["namespace"]);
        let name = text(&value["metadata"]["name"]);
        if resource.namespaced && !self.is_open(&namespace) {
            return None;
        }
        let meta = value["metadata"].as_object_mut()?;
        meta.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
        meta.insert("creationTimestamp".to_owned(), timestamp(self.now()).into());
        if resource.status {
            meta.insert("generation".to_owned(), 1.into());
        }
        let key = Key::new(&resource.qualified(), &namespace, &name);
        let prepared = Prepared::new(key, value, &resource.selectable_fields);
        let object = self.store.create(prepared).ok()?;
        self.graph(|graph| graph.set(&object));
        Some(object)
    }

    fn is_open(&self, namespace: &str) -> bool {
        let namespace = self.store.get(&Key::new(NAMESPACES, "", namespace));
        namespace.is_some_and(|namespace| namespace.deletion_timestamp.is_none())
    }

    /// Changes an object as it is now. Writes nothing if nothing changes; an object that waited
    /// for its last finalizer goes. None if it is not there.
    pub(super) fn change(&self, key: &Key, change: impl Fn(&mut Value)) -> Option<Arc<Object>> {
        let resource = self.resource(&key.resource)?;
        loop {
            let object = self.store.get(key)?;
            let before = object.value();
            let mut after = before.clone();
            change(&mut after);
            let written = if is_done(&resource, &after) {
                self.remove(&resource, &object, after)
            } else if after == before {
                return Some(object);
            } else {
                if scales(&resource) && after["spec"] != before["spec"] {
                    after["metadata"]["generation"] = (object.generation + 1).into();
                }
                let fields = &resource.selectable_fields;
                let prepared = Prepared::new(key.clone(), after, fields);
                self.store.replace(prepared, object.resource_version)
            };
            match written {
                Ok(object) => {
                    self.graph(|graph| graph.set(&object));
                    return Some(object);
                }
                Err(Conflict::Changed(_)) => {}
                Err(Conflict::Missing | Conflict::Exists) => return None,
            }
        }
    }

    fn remove(
        &self,
        resource: &Arc<Resource>,
        object: &Object,
        last: Value,
    ) -> Result<Arc<Object>, Conflict> {
        let prepared = Prepared::new(object.key.clone(), last, &resource.selectable_fields);
        let removed = self.store.remove(prepared, object.resource_version)?;
        self.graph(|graph| graph.remove(object));
        (self.removed)(resource);
        Ok(removed)
    }

    /// Sets the status of an object.
    pub(super) fn set_status<T: serde::Serialize>(&self, key: &Key, status: &T) {
        let Ok(status) = serde_json::to_value(status) else { return };
        self.change(key, |object| object["status"] = status.clone());
    }

    /// Deletes an object as a request would: what has finalizers waits for them, and a pod on a
    /// node for its agent.
    pub(super) fn delete(&self, key: &Key, propagation: Propagation) {
        let now = self.now();
        self.change(key, |object| {
            if object["metadata"]["deletionTimestamp"].is_string() {
                return;
            }
            let grace = grace_of(key, object);
            let ends = now + std::time::Duration::from_secs(grace);
            object["metadata"]["deletionTimestamp"] = timestamp(ends).into();
            object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
            match propagation {
                Propagation::Foreground => add_finalizer(object, FOREGROUND),
                Propagation::Background => {}
            }
        });
    }
}

/// How long a deleted object stays for its node agent.
fn grace_of(key: &Key, object: &Value) -> u64 {
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if &*key.resource != PODS || ended || !object["spec"]["nodeName"].is_string() {
        return 0;
    }
    object["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30)
}

/// Whether a deleted object waits for nothing more.
fn is_done(resource: &Resource, object: &Value) -> bool {
    let meta = &object["metadata"];
    let waits = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
    let in_namespace = resource.is("", "Namespace") && waits(&object["spec"]["finalizers"]);
    meta["deletionTimestamp"].is_string()
        && meta["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && !waits(&meta["finalizers"])
        && !in_namespace
}

/// Whether our changes of its spec make a new generation.
fn scales(resource: &Resource) -> bool {
    resource.is("apps", "Deployment") || resource.is("apps", "ReplicaSet")
}

fn add_finalizer(object: &mut Value, name: &str) {
    let finalizers = &mut object["metadata"]["finalizers"];
    if !finalizers.is_array() {
        *finalizers = json!([]);
    }
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|finalizer| finalizer == name)
    {
        list.push(name.into());
    }
}

pub(super) fn remove_finalizer(object: &mut Value, name: &str) {
    if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
        list.retain(|finalizer| finalizer != name);
        if list.is_empty()
            && let Some(meta) = object["metadata"].as_object_mut()
        {
            meta.remove("finalizers");
        }
    }
}

/// The object in its type. What does not fit its own type was not written through the API.
fn decode<T: DeserializeOwned>(object: &Object) -> Option<T> {
    object
        .decode()
        .inspect_err(|error| {
            let Key { resource, namespace, name } = &object.key;
            tracing::warn!(%resource, namespace, name, %error, "an object does not fit its kind");
        })
        .ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A time as Kubernetes writes it.
pub(super) fn timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Five characters that make a name unique; no vowels, so that they make no words.
pub(super) fn suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bytes = [0_u8; 5];
    // Without randomness the name is taken and the next pass tries again.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

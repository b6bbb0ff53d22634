//! Reads and writes of the built-in controllers: by the store, and by the API server's one write path
//! as a trusted actor.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rouse_apiserver::registry::{
    Actor, Change, DeleteOptions, Options, Part, Propagation, Registry, Target,
};
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object, Store};
use rouse_schema::kinds::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::graph::Graph;

pub(super) const PODS: &str = "pods";
pub(super) const NODES: &str = "nodes";
pub(super) const SERVICES: &str = "services";
pub(super) const NAMESPACES: &str = "namespaces";
pub(super) const ENDPOINTS: &str = "endpoints";
pub(super) const EVENTS: &str = "events";
pub(super) const CONFIG_MAPS: &str = "configmaps";
pub(super) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
pub(super) const SERVICE_ACCOUNTS: &str = "serviceaccounts";
pub(super) const DEPLOYMENTS: &str = "deployments.apps";
pub(super) const REPLICA_SETS: &str = "replicasets.apps";
pub(super) const AUTOSCALERS: &str = "horizontalpodautoscalers.autoscaling";
pub(super) const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";

const NAME: &str = "system:kube-controller-manager";

/// The objects, as controllers use them.
pub(super) struct Objects {
    pub(super) store: Store,
    registry: Registry,
    options: Options,
    /// Built-in resources by the name that keys have; they never change.
    builtin: HashMap<String, Arc<Resource>>,
    graph: Mutex<Graph>,
}

impl Objects {
    pub(super) fn new(registry: Registry) -> Self {
        let all = registry.kinds.all().into_iter();
        let builtin = all.filter(|r| !r.custom).map(|r| (r.qualified(), r)).collect();
        Self {
            store: registry.store.clone(),
            registry,
            options: Options::of(Actor::trusted(NAME)),
            builtin,
            graph: Mutex::default(),
        }
    }

    /// Whether a kind is served: `apps/v1`, `Deployment`.
    pub(super) fn serves(&self, api_version: &str, kind: &str) -> bool {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.registry.kinds.by_kind(group, version, kind).is_some()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.registry.clock().now()
    }

    pub(super) fn graph<T>(&self, look: impl FnOnce(&mut Graph) -> T) -> T {
        look(&mut self.graph.lock())
    }

    /// The resource that a key belongs to: of several versions the storage version.
    fn resource(&self, qualified: &str) -> Option<Arc<Resource>> {
        if let Some(resource) = self.builtin.get(qualified) {
            return Some(Arc::clone(resource));
        }
        let all = self.registry.kinds.all();
        let mut named = all.into_iter().filter(|resource| resource.qualified() == qualified);
        let first = named.next()?;
        if first.is_storage() {
            return Some(first);
        }
        Some(named.find(|resource| resource.is_storage()).unwrap_or(first))
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

    /// Creates an object of a built-in kind.
    pub(super) fn create(&self, resource: &str, object: Value) -> Result<Arc<Object>, Failure> {
        let resource = self
            .resource(resource)
            .ok_or_else(|| Failure::internal(format!("{resource} is not a built-in resource")))?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let target = Target { resource: &resource, namespace: &namespace, name: "" };
        let created = self.registry.write(target, Change::Create(object), &self.options)?;
        self.graph(|graph| graph.set(&created.object));
        Ok(created.object)
    }

    /// Changes the current object; `None` if it does not exist. Writes nothing if nothing changes; an
    /// object that waited for its last finalizer is removed.
    pub(super) fn change(
        &self,
        key: &Key,
        change: impl Fn(&mut Value),
    ) -> Result<Option<Arc<Object>>, Failure> {
        self.write(key, Change::Edit(Part::Main, &change))
    }

    /// Changes a Namespace's `spec.finalizers` alone.
    pub(super) fn finalize(&self, key: &Key, change: impl Fn(&mut Value)) -> Result<(), Failure> {
        self.write(key, Change::Edit(Part::Finalize, &change)).map(|_| ())
    }

    /// Sets the status of an object.
    pub(super) fn set_status<T: serde::Serialize>(
        &self,
        key: &Key,
        status: &T,
    ) -> Result<(), Failure> {
        let status = serde_json::to_value(status)
            .map_err(|error| Failure::internal(format!("a status is not JSON: {error}")))?;
        self.change(key, |object| object["status"] = status.clone()).map(|_| ())
    }

    /// Deletes an object as a request would: an object with finalizers waits for them, and a pod on
    /// a node for the node agent.
    pub(super) fn delete(&self, key: &Key, propagation: Propagation) -> Result<(), Failure> {
        let how = DeleteOptions::propagating(propagation);
        self.write(key, Change::Delete(&how)).map(|_| ())
    }

    fn write(&self, key: &Key, change: Change<'_>) -> Result<Option<Arc<Object>>, Failure> {
        let Some(resource) = self.resource(&key.resource) else { return Ok(None) };
        let target = Target { resource: &resource, namespace: &key.namespace, name: &key.name };
        match self.registry.write(target, change, &self.options) {
            Ok(written) if written.gone => {
                self.graph(|graph| graph.remove(&written.object));
                Ok(Some(written.object))
            }
            Ok(written) => {
                self.graph(|graph| graph.set(&written.object));
                Ok(Some(written.object))
            }
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Removes a finalizer from an object.
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

/// Decodes an object into its type. It fails only for objects not written through the API.
fn decode<T: DeserializeOwned>(object: &Object) -> Option<T> {
    object
        .decode()
        .inspect_err(|error| {
            let Key { resource, namespace, name } = &object.key;
            tracing::warn!(%resource, namespace, name, %error, "an object cannot be decoded as its kind");
        })
        .ok()
}

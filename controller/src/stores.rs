//! What the controller knows: one local copy per kind, and the questions reconcilers ask of them.
//!
//! Each kind is watched once. A copy is changed first and wakes reconcilers afterwards, so that a
//! pass that a change woke sees that change.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service as CoreService};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use rouse_api::{
    ClusterDomainClaim, Configuration, DomainMapping, PodAutoscaler, Revision, Route, Service, keys,
};

use crate::route::labeler;

/// All local copies.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) services: Store<Service>,
    pub(crate) configurations: Store<Configuration>,
    pub(crate) revisions: Store<Revision>,
    pub(crate) routes: Store<Route>,
    pub(crate) domain_mappings: Store<DomainMapping>,
    pub(crate) claims: Store<ClusterDomainClaim>,
    pub(crate) autoscalers: Store<PodAutoscaler>,
    pub(crate) deployments: Store<Deployment>,
    pub(crate) pods: Store<Pod>,
    pub(crate) core_services: Store<CoreService>,
}

/// The object of that name, if it is there.
pub(crate) fn get<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(name).within(namespace))
}

/// The namespace of an object that has one.
pub(crate) fn namespace<K: Resource>(object: &K) -> &str {
    object.meta().namespace.as_deref().unwrap_or_default()
}

/// The name of an object; every stored object has one.
pub(crate) fn name<K: Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// The UID of an object; every stored object has one.
pub(crate) fn uid<K: Resource>(object: &K) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

/// Whether `owner` controls `child`.
pub(crate) fn controls<O: Resource, C: Resource>(owner: &O, child: &C) -> bool {
    child
        .owner_references()
        .iter()
        .any(|r| r.controller == Some(true) && Some(&r.uid) == owner.meta().uid.as_ref())
}

/// Name of the controlling owner of kind `kind`.
pub(crate) fn owner_name<'a, C: Resource>(child: &'a C, kind: &str) -> Option<&'a str> {
    child
        .owner_references()
        .iter()
        .find(|r| r.controller == Some(true) && r.kind == kind)
        .map(|r| r.name.as_str())
}

impl Stores {
    /// The Revisions that `configuration` controls, in no order.
    pub(crate) fn revisions_of(&self, configuration: &Configuration) -> Vec<Arc<Revision>> {
        self.revisions.state_filter(|revision| {
            revision.metadata.namespace == configuration.metadata.namespace
                && controls(configuration, revision)
        })
    }

    /// The Pods that run `revision`, by name.
    pub(crate) fn pods_of(&self, revision: &Revision) -> Vec<Arc<Pod>> {
        let uid = revision.metadata.uid.as_ref();
        let mut pods = self
            .pods
            .state_filter(|pod| uid.is_some() && pod.labels().get(keys::REVISION_UID) == uid);
        pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        pods
    }

    /// The Routes that `object` lists and that are not there.
    pub(crate) fn gone_routes<K: Resource>(&self, object: &K) -> Vec<String> {
        labeler::gone(object, |route| get(&self.routes, namespace(object), route).is_some())
    }

    /// The core Services that `route` controls, by name.
    pub(crate) fn placeholders_of(&self, route: &Route) -> Vec<Arc<CoreService>> {
        let mut services = self.core_services.state_filter(|service| controls(route, service));
        services.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        services
    }
}

//! The controller's local copies, one per kind, and the queries of reconcilers.
//!
//! Each kind is watched once. A copy is changed first and wakes reconcilers afterwards, so that a
//! pass that a change woke sees that change.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret, Service as CoreService};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use rouse_api::config::cloud_run::ServiceScale;
use rouse_api::{
    ClusterDomainClaim, Configuration, DomainMapping, PodAutoscaler, Revision, Route, Service, keys,
};

use crate::objects::gateway::Gateway;
use crate::objects::meta::{controls, namespace, owner_name};
use crate::objects::routing_state;

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
    /// Those with certificates.
    pub(crate) secrets: Store<Secret>,
}

/// The object of that name, if it is there.
pub(crate) fn get<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(name).within(namespace))
}

impl Stores {
    /// The Revisions that `configuration` controls, in no order.
    pub(crate) fn revisions_of(&self, configuration: &Configuration) -> Vec<Arc<Revision>> {
        self.revisions.state_filter(|revision| {
            revision.metadata.namespace == configuration.metadata.namespace
                && controls(configuration, revision)
        })
    }

    /// The bounds that the Service of `revision` sets, which its Configuration has from it.
    pub(crate) fn service_scale(&self, revision: &Revision) -> ServiceScale {
        let owner = owner_name(revision, "Configuration");
        let owner = owner.and_then(|name| get(&self.configurations, namespace(revision), name));
        owner.map_or_else(ServiceScale::default, |owner| ServiceScale::of(owner.annotations()))
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

    /// The Routes that `object` lists but that do not exist.
    pub(crate) fn gone_routes<K: Resource>(&self, object: &K) -> Vec<String> {
        routing_state::gone_routes(object, |route| {
            get(&self.routes, namespace(object), route).is_some()
        })
    }

    /// The core Services that `route` controls, by name.
    pub(crate) fn placeholders_of(&self, route: &Route) -> Vec<Arc<CoreService>> {
        let mut services = self.core_services.state_filter(|service| controls(route, service));
        services.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        services
    }

    /// The ports of the gateway's listeners, from its core Services.
    pub(crate) fn gateway(&self) -> Gateway {
        let service = |name| get(&self.core_services, keys::SYSTEM_NAMESPACE, name);
        let public = service(keys::GATEWAY);
        let gateway = public.map_or_else(Gateway::default, |found| Gateway::from_service(&found));
        match service(keys::GATEWAY_LOCAL) {
            Some(local) => gateway.with_local(&local),
            None => gateway,
        }
    }
}

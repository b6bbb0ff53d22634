//! One queue per reconciler, and the rules by which changes wake reconcilers.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret, Service as CoreService};
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use rouse_api::annotations::{MAX_SCALE, MIN_SCALE};
use rouse_api::config::ApiConfig;
use rouse_api::config::cloud_run::ServiceScale;
use rouse_api::{
    ClusterDomainClaim, Configuration, DomainMapping, PodAutoscaler, Revision, Route, Service, keys,
};
use rouse_kit::Live;

use crate::objects::meta::{name, namespace, owner_name};
use crate::objects::routing_state::routes_of;
use crate::watched::queue::Queue;
use crate::watched::stores::{Stores, get};

/// The queues of all reconcilers.
#[derive(Clone)]
pub(crate) struct Queues {
    pub(crate) services: Queue<Service>,
    pub(crate) configurations: Queue<Configuration>,
    pub(crate) collections: Queue<Configuration>,
    pub(crate) revisions: Queue<Revision>,
    pub(crate) routes: Queue<Route>,
    pub(crate) domain_mappings: Queue<DomainMapping>,
    pub(crate) settings: Live<ApiConfig>,
}

/// A kind whose changes wake reconcilers.
pub(crate) trait Wakes: Sized {
    fn wake(object: &Self, stores: &Stores, queues: &Queues) -> impl Future<Output = ()> + Send;
}

impl Wakes for Service {
    async fn wake(service: &Self, stores: &Stores, queues: &Queues) {
        queues.services.wake(namespace(service), name(service)).await;
        wake_mappings_to(stores, queues, service).await;
    }
}

impl Wakes for Configuration {
    async fn wake(configuration: &Self, stores: &Stores, queues: &Queues) {
        let namespace = namespace(configuration);
        queues.configurations.wake(namespace, name(configuration)).await;
        queues.collections.wake(namespace, name(configuration)).await;
        // The Service of that name reports a conflict if it does not own the Configuration.
        queues.services.wake(namespace, name(configuration)).await;
        for revision in stores.revisions_of(configuration) {
            if !has_bounds_of(stores, &queues.settings.get(), configuration, &revision) {
                queues.revisions.wake(namespace, name(&*revision)).await;
            }
        }
        let listed = routes_of(configuration);
        wake_routes_to(stores, queues, namespace, |route| {
            let mut targets = route.spec.traffic.iter();
            targets.any(|t| t.configuration_name.as_deref() == Some(name(configuration)))
                || listed.iter().any(|listed| listed == name(route))
        })
        .await;
    }
}

/// Whether the autoscaler of a Revision has the bounds that its Service sets.
fn has_bounds_of(
    stores: &Stores,
    config: &ApiConfig,
    configuration: &Configuration,
    revision: &Revision,
) -> bool {
    let found = get(&stores.autoscalers, namespace(revision), name(revision));
    let Some(found) = found else { return true };
    let bounds = ServiceScale::of(configuration.annotations());
    let wanted = bounds.narrowed(revision.annotations(), &config.autoscaler);
    [MIN_SCALE, MAX_SCALE].iter().all(|key| key.get(&wanted) == key.get(found.annotations()))
}

impl Wakes for Revision {
    async fn wake(revision: &Self, stores: &Stores, queues: &Queues) {
        let namespace = namespace(revision);
        queues.revisions.wake(namespace, name(revision)).await;
        if let Some(configuration) = owner_name(revision, "Configuration") {
            queues.configurations.wake(namespace, configuration).await;
            queues.collections.wake(namespace, configuration).await;
        }
        wake_naming(stores, queues, revision).await;
        // Also Routes that the Revision lists but that do not name it: they remove the label.
        let listed = routes_of(revision);
        wake_routes_to(stores, queues, namespace, |route| {
            let status = route.status.iter().flat_map(|status| &status.traffic);
            let mut targets = route.spec.traffic.iter().chain(status);
            targets.any(|target| target.revision_name.as_deref() == Some(name(revision)))
                || listed.iter().any(|listed| listed == name(route))
        })
        .await;
    }
}

impl Wakes for Route {
    async fn wake(route: &Self, stores: &Stores, queues: &Queues) {
        queues.routes.wake(namespace(route), name(route)).await;
        queues.services.wake(namespace(route), name(route)).await;
        if get(&stores.routes, namespace(route), name(route)).is_none() {
            wake_listing(stores, queues, route).await;
        }
        wake_mappings_to(stores, queues, route).await;
    }
}

impl Wakes for DomainMapping {
    async fn wake(mapping: &Self, stores: &Stores, queues: &Queues) {
        queues.domain_mappings.wake(namespace(mapping), name(mapping)).await;
        wake_mappings_named(stores, queues, name(mapping)).await;
    }
}

impl Wakes for ClusterDomainClaim {
    async fn wake(claim: &Self, stores: &Stores, queues: &Queues) {
        wake_mappings_named(stores, queues, name(claim)).await;
    }
}

impl Wakes for PodAutoscaler {
    async fn wake(autoscaler: &Self, _: &Stores, queues: &Queues) {
        queues.revisions.wake(namespace(autoscaler), name(autoscaler)).await;
    }
}

impl Wakes for Deployment {
    async fn wake(deployment: &Self, _: &Stores, queues: &Queues) {
        if let Some(revision) = deployment.labels().get(keys::REVISION) {
            queues.revisions.wake(namespace(deployment), revision).await;
        }
    }
}

impl Wakes for Pod {
    async fn wake(pod: &Self, _: &Stores, queues: &Queues) {
        if let Some(revision) = pod.labels().get(keys::REVISION) {
            queues.revisions.wake(namespace(pod), revision).await;
        }
    }
}

impl Wakes for Secret {
    async fn wake(secret: &Self, stores: &Stores, queues: &Queues) {
        let names = |mapping: &DomainMapping| {
            let tls = mapping.spec.tls.as_ref();
            namespace(mapping) == namespace(secret)
                && tls.is_some_and(|tls| tls.secret_name == name(secret))
        };
        for mapping in stores.domain_mappings.state_filter(names) {
            queues.domain_mappings.wake(namespace(secret), name(&*mapping)).await;
        }
    }
}

impl Wakes for CoreService {
    async fn wake(service: &Self, stores: &Stores, queues: &Queues) {
        if namespace(service) == keys::SYSTEM_NAMESPACE {
            // The gateway's port is part of every URL.
            queues.routes.wake_all(&stores.routes).await;
            queues.domain_mappings.wake_all(&stores.domain_mappings).await;
        } else if let Some(route) = service.labels().get(keys::ROUTE) {
            queues.routes.wake(namespace(service), route).await;
        } else {
            // A Service of another owner may hold a name that a Route needs, or have released it.
            queues.routes.wake(namespace(service), name(service)).await;
        }
    }
}

/// Wakes Configurations, and their Services, whose template names this Revision: the name may be
/// taken or free now.
async fn wake_naming(stores: &Stores, queues: &Queues, revision: &Revision) {
    let naming = |configuration: &Configuration| {
        configuration.metadata.namespace == revision.metadata.namespace
            && configuration.spec.template.metadata.name == revision.metadata.name
    };
    for configuration in stores.configurations.state_filter(naming) {
        queues.configurations.wake(namespace(&*configuration), name(&*configuration)).await;
        queues.services.wake(namespace(&*configuration), name(&*configuration)).await;
    }
}

/// Wakes all DomainMappings of one domain: another of them may get it now.
async fn wake_mappings_named(stores: &Stores, queues: &Queues, domain: &str) {
    for mapping in stores.domain_mappings.state_filter(|mapping| name(mapping) == domain) {
        queues.domain_mappings.wake(namespace(&*mapping), domain).await;
    }
}

/// Wakes DomainMappings that refer to a Service or Route of that name.
async fn wake_mappings_to<K: Resource>(stores: &Stores, queues: &Queues, to: &K) {
    let (in_namespace, to) = (namespace(to), name(to));
    let refers = |mapping: &DomainMapping| {
        namespace(mapping) == in_namespace && mapping.spec.reference.name == to
    };
    for mapping in stores.domain_mappings.state_filter(refers) {
        queues.domain_mappings.wake(in_namespace, name(&*mapping)).await;
    }
}

/// Wakes Revisions and Configurations that may list a deleted Route, so that they remove it.
async fn wake_listing(stores: &Stores, queues: &Queues, route: &Route) {
    let lists = |object: &ObjectMeta| {
        object.namespace == route.metadata.namespace
            && object.annotations.as_ref().is_some_and(|all| all.contains_key(keys::ROUTES))
    };
    for revision in stores.revisions.state_filter(|revision| lists(&revision.metadata)) {
        queues.revisions.wake(namespace(&*revision), name(&*revision)).await;
    }
    for configuration in stores.configurations.state_filter(|c| lists(&c.metadata)) {
        queues.configurations.wake(namespace(&*configuration), name(&*configuration)).await;
    }
}

async fn wake_routes_to(
    stores: &Stores,
    queues: &Queues,
    in_namespace: &str,
    concerned: impl Fn(&Route) -> bool,
) {
    let routes: Vec<Arc<Route>> =
        stores.routes.state_filter(|route| namespace(route) == in_namespace && concerned(route));
    for route in routes {
        queues.routes.wake(in_namespace, name(&*route)).await;
    }
}

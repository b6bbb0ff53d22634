//! Starts settings, watches and reconcilers, and lists all of them.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared;
use kube::Client;
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::store::{self, Writer};
use kube::runtime::watcher;
use rouse_api::config::ApiConfig;
use rouse_api::keys;
use rouse_kit::certificates;
use rouse_kit::live::{self, Source};
use rouse_kit::{Applier, Component, Events, Live, Shutdown, Tasks};
use tokio::sync::{mpsc, oneshot};

use crate::configuration::Configurations;
use crate::domainmapping::DomainMappings;
use crate::gc::Collections;
use crate::lookups::images::{Images, Pins};
use crate::lookups::served::{Activators, Served};
use crate::reconciler::{self, Passes, Reconciler};
use crate::revision::Revisions;
use crate::route::Routes;
use crate::service::Services;
use crate::watched::queue::Queue;
use crate::watched::queue_metrics::QueueFamilies;
use crate::watched::queues::Queues;
use crate::watched::stores::Stores;
use crate::watched::watch;

/// The reporting component in the controller's Events.
const COMPONENT: &str = "rouse-controller";

/// The ConfigMaps in force. Shared with admission, which applies the same values.
pub type Settings = Live<ApiConfig>;

/// Settings of the process.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a pod keeps serving after its deletion was decided, so that every client has
    /// observed it. Whole seconds; zero where only activators send requests.
    pub drain: Duration,
    /// Kept up to date by the controller.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self { drain: Duration::from_secs(5), settings: Live::new(ApiConfig::default()) }
    }
}

struct Writers {
    services: Writer<rouse_api::Service>,
    configurations: Writer<rouse_api::Configuration>,
    revisions: Writer<rouse_api::Revision>,
    routes: Writer<rouse_api::Route>,
    domain_mappings: Writer<rouse_api::DomainMapping>,
    claims: Writer<rouse_api::ClusterDomainClaim>,
    autoscalers: Writer<rouse_api::PodAutoscaler>,
    deployments: Writer<k8s_openapi::api::apps::v1::Deployment>,
    pods: Writer<k8s_openapi::api::core::v1::Pod>,
    core_services: Writer<k8s_openapi::api::core::v1::Service>,
    secrets: Writer<k8s_openapi::api::core::v1::Secret>,
}

/// Starts the tasks of `component`, which reconcile until its shutdown.
pub fn start(
    config: Config,
    client: Client,
    activators: Arc<dyn Activators>,
    images: Arc<dyn Images>,
    component: Component,
) {
    let Config { drain, settings } = config;
    let Component { clock, shutdown, tasks, health, .. } = component.clone();
    let (events, writing) = Events::new(client.clone(), COMPONENT, clock, shutdown.clone());
    tasks.vital("events", writing);
    let applier = Applier::new(client.clone(), events.clone());

    let (ready, settings_read) = oneshot::channel();
    let follow = {
        let (client, sources) = (client.clone(), sources(&settings));
        let shutdown = shutdown.clone();
        async move {
            live::follow(client, keys::SYSTEM_NAMESPACE, sources, events, ready, shutdown).await;
        }
    };
    tasks.vital("settings", follow);

    let (stores, writers) = stores();
    let synced = synced(stores.clone(), settings_read).boxed().shared();
    let reconcilers = Reconcilers {
        client: client.clone(),
        applier,
        stores: stores.clone(),
        settings: settings.clone(),
        synced: synced.clone(),
        component,
    };
    let queues = reconcilers.start(drain, activators, images);
    watches(&tasks, &client, writers, &stores, &queues, &shutdown);
    let health = health.part("controller");
    tasks.vital("settings-changes", async move {
        synced.await;
        health.ready();
        resync(settings, stores, queues, shutdown).await;
    });
}

type Synced = Shared<futures::future::BoxFuture<'static, ()>>;

/// The parts that all reconcilers share.
struct Reconcilers {
    client: Client,
    applier: Applier,
    stores: Stores,
    settings: Settings,
    synced: Synced,
    component: Component,
}

impl Reconcilers {
    /// Starts every reconciler.
    fn start(
        self,
        drain: Duration,
        activators: Arc<dyn Activators>,
        images: Arc<dyn Images>,
    ) -> Queues {
        let families = QueueFamilies::registered(&self.component.metrics);
        let passes = Passes::registered(&self.component.metrics);
        let (services, service_keys) = Queue::new(families.of(Services::NAME));
        let (configurations, configuration_keys) = Queue::new(families.of(Configurations::NAME));
        let (collections, collection_keys) = Queue::new(families.of(Collections::NAME));
        let (revisions, revision_keys) = Queue::new(families.of(Revisions::NAME));
        let (routes, route_keys) = Queue::new(families.of(Routes::NAME));
        let (mappings, mapping_keys) = Queue::new(families.of(DomainMappings::NAME));
        let pins = Pins::new(images, Some(self.client.clone()), revisions.clone(), &self.component);
        let served_routes = Served::new(Arc::clone(&activators), routes.clone(), &self.component);
        let served_mappings = Served::new(activators, mappings.clone(), &self.component);

        let (s, c) = (|| self.stores.clone(), || self.settings.clone());
        let all = &self.stores;
        let service = Services { stores: s() };
        self.one(&passes, service, &all.services, (services.clone(), service_keys));
        let configuration = Configurations { stores: s() };
        let keys = (configurations.clone(), configuration_keys);
        self.one(&passes, configuration, &all.configurations, keys);
        let gc = Collections { stores: s(), config: c() };
        self.one(&passes, gc, &all.configurations, (collections.clone(), collection_keys));
        let revision = Revisions { stores: s(), pins, config: c(), drain };
        self.one(&passes, revision, &all.revisions, (revisions.clone(), revision_keys));
        let route = Routes { stores: s(), served: served_routes, config: c() };
        self.one(&passes, route, &all.routes, (routes.clone(), route_keys));
        let mapping = DomainMappings { stores: s(), served: served_mappings, config: c() };
        self.one(&passes, mapping, &all.domain_mappings, (mappings.clone(), mapping_keys));
        Queues {
            services,
            configurations,
            collections,
            revisions,
            routes,
            domain_mappings: mappings,
            settings: self.settings,
        }
    }

    fn one<R: Reconciler>(
        &self,
        passes: &Passes,
        reconciler: R,
        store: &store::Store<R::Kind>,
        queue: (Queue<R::Kind>, mpsc::Receiver<ReconcileRequest<R::Kind>>),
    ) {
        let Component { clock, shutdown, tasks, .. } = &self.component;
        let run = reconciler::run(
            reconciler,
            self.applier.clone(),
            store.clone(),
            queue,
            passes.clone(),
            self.synced.clone(),
            (*clock, shutdown.clone()),
        );
        tasks.vital(R::NAME, run);
    }
}

fn stores() -> (Stores, Writers) {
    let (services, services_w) = store();
    let (configurations, configurations_w) = store();
    let (revisions, revisions_w) = store();
    let (routes, routes_w) = store();
    let (domain_mappings, domain_mappings_w) = store();
    let (claims, claims_w) = store();
    let (autoscalers, autoscalers_w) = store();
    let (deployments, deployments_w) = store();
    let (pods, pods_w) = store();
    let (core_services, core_services_w) = store();
    let (secrets, secrets_w) = store();
    let stores = Stores {
        services,
        configurations,
        revisions,
        routes,
        domain_mappings,
        claims,
        autoscalers,
        deployments,
        pods,
        core_services,
        secrets,
    };
    let writers = Writers {
        services: services_w,
        configurations: configurations_w,
        revisions: revisions_w,
        routes: routes_w,
        domain_mappings: domain_mappings_w,
        claims: claims_w,
        autoscalers: autoscalers_w,
        deployments: deployments_w,
        pods: pods_w,
        core_services: core_services_w,
        secrets: secrets_w,
    };
    (stores, writers)
}

fn store<K>() -> (store::Store<K>, Writer<K>)
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    let writer = Writer::default();
    (writer.as_reader(), writer)
}

/// Completes when every local copy is complete. Decisions on partial ones would create children
/// twice.
async fn synced(stores: Stores, settings_read: oneshot::Receiver<()>) {
    // An error means that the writer's task ended, which it does at shutdown only.
    let _ = settings_read.await;
    let _ = tokio::join!(
        stores.services.wait_until_ready(),
        stores.configurations.wait_until_ready(),
        stores.revisions.wait_until_ready(),
        stores.routes.wait_until_ready(),
        stores.domain_mappings.wait_until_ready(),
        stores.claims.wait_until_ready(),
        stores.autoscalers.wait_until_ready(),
        stores.deployments.wait_until_ready(),
        stores.pods.wait_until_ready(),
        stores.core_services.wait_until_ready(),
        stores.secrets.wait_until_ready(),
    );
}

fn watches(
    tasks: &Tasks,
    client: &Client,
    writers: Writers,
    stores: &Stores,
    queues: &Queues,
    shutdown: &Shutdown,
) {
    let all = watcher::Config::default();
    let ours = watcher::Config::default().labels(keys::REVISION);
    let tls = watcher::Config::default().fields(&format!("type={}", certificates::TLS_SECRET));
    macro_rules! watch {
        ($name:literal, $config:expr, $writer:expr) => {
            tasks.vital(
                $name,
                watch::follow(
                    client.clone(),
                    $config.clone(),
                    $writer,
                    stores.clone(),
                    queues.clone(),
                    shutdown.clone(),
                ),
            );
        };
    }
    watch!("watch-services", all, writers.services);
    watch!("watch-configurations", all, writers.configurations);
    watch!("watch-revisions", all, writers.revisions);
    watch!("watch-routes", all, writers.routes);
    watch!("watch-domainmappings", all, writers.domain_mappings);
    watch!("watch-clusterdomainclaims", all, writers.claims);
    watch!("watch-podautoscalers", all, writers.autoscalers);
    watch!("watch-deployments", ours, writers.deployments);
    watch!("watch-pods", ours, writers.pods);
    watch!("watch-core-services", all, writers.core_services);
    watch!("watch-secrets", tls, writers.secrets);
}

/// One source per ConfigMap, all into one value.
fn sources(settings: &Settings) -> Vec<Source> {
    ApiConfig::NAMES
        .into_iter()
        .map(|name| {
            settings.follow(name, move |present: &ApiConfig, data| {
                let mut next = present.clone();
                next.apply(name, data).map(|()| next)
            })
        })
        .collect()
}

/// Settings are part of every decision: when they change, everything is decided again.
async fn resync(settings: Settings, stores: Stores, queues: Queues, shutdown: Shutdown) {
    let mut changes = settings.subscribe();
    loop {
        tokio::select! {
            biased; // shutdown is checked first
            () = shutdown.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        queues.revisions.wake_all(&stores.revisions).await;
        queues.routes.wake_all(&stores.routes).await;
        queues.collections.wake_all(&stores.configurations).await;
        queues.domain_mappings.wake_all(&stores.domain_mappings).await;
    }
}

#[cfg(test)]
mod tests;

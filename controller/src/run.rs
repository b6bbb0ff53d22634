//! Starts everything: settings, watches, reconcilers. The visible list of all of them.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared;
use kube::Client;
use kube::runtime::reflector::store::{self, Writer};
use kube::runtime::watcher;
use rouse_api::config::ApiConfig;
use rouse_api::keys;
use rouse_kit::live::{self, Source};
use rouse_kit::{Applier, Clock, Component, Events, Live, Shutdown, Tasks};
use tokio::sync::oneshot;

use crate::configuration::Configurations;
use crate::domainmapping::DomainMappings;
use crate::gc::Collections;
use crate::lookups::images::{Images, Pins};
use crate::lookups::served::{Activators, Served};
use crate::reconciler;
use crate::revision::Revisions;
use crate::route::Routes;
use crate::service::Services;
use crate::watched::queues::{Queue, Queues};
use crate::watched::stores::Stores;
use crate::watched::watch;

/// The name under which the controller tells users things.
const COMPONENT: &str = "rouse-controller";

/// The ConfigMaps in force. Shared with admission, which judges by the same values.
pub type Settings = Live<ApiConfig>;

/// What the process chooses.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a pod keeps serving after its deletion was decided, so that whoever still sends to
    /// it has heard. Whole seconds; zero where nobody can send past the activator.
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
    let Component { clock, shutdown, tasks, .. } = component;
    let (events, writing) = Events::new(client.clone(), COMPONENT, clock, shutdown.clone());
    tasks.vital("events", writing);
    let applier = Applier::new(client.clone(), events.clone());

    let (ready, settings_read) = oneshot::channel();
    let follow = {
        let (client, sources) = (client.clone(), sources(&settings));
        let (events, shutdown) = (events, shutdown.clone());
        async move {
            live::follow(client, keys::SYSTEM_NAMESPACE, sources, events, ready, shutdown).await;
        }
    };
    tasks.vital("settings", follow);

    let (stores, writers) = stores();
    let synced = synced(stores.clone(), settings_read).boxed().shared();
    let queues = Reconcilers { applier, stores: stores.clone(), clock, shutdown: shutdown.clone() }
        .spawn(&tasks, drain, &settings, activators, images, &synced);
    watches(&tasks, &client, writers, &stores, &queues, &shutdown);
    tasks.vital("settings-changes", resync(settings, stores, queues, shutdown));
}

type Synced = Shared<futures::future::BoxFuture<'static, ()>>;

/// What every reconciler is made of.
struct Reconcilers {
    applier: Applier,
    stores: Stores,
    clock: Clock,
    shutdown: Shutdown,
}

impl Reconcilers {
    fn spawn(
        self,
        tasks: &Tasks,
        drain: Duration,
        settings: &Settings,
        activators: Arc<dyn Activators>,
        images: Arc<dyn Images>,
        synced: &Synced,
    ) -> Queues {
        let Self { applier, stores, clock, shutdown } = self;
        let (services, service_keys) = Queue::new();
        let (configurations, configuration_keys) = Queue::new();
        let (collections, collection_keys) = Queue::new();
        let (revisions, revision_keys) = Queue::new();
        let (routes, route_keys) = Queue::new();
        let (domain_mappings, domain_mapping_keys) = Queue::new();
        let config = settings.clone();
        let pins = Pins::new(images, revisions.clone(), shutdown.clone());
        let served_routes = Served::new(Arc::clone(&activators), routes.clone(), shutdown.clone());
        let served_mappings = Served::new(activators, domain_mappings.clone(), shutdown.clone());

        macro_rules! reconcile {
            ($name:literal, $store:ident, $keys:ident, $reconciler:expr) => {
                tasks.vital(
                    $name,
                    reconciler::run(
                        $reconciler,
                        applier.clone(),
                        stores.$store.clone(),
                        $keys,
                        synced.clone(),
                        clock,
                        shutdown.clone(),
                    ),
                );
            };
        }
        let s = || stores.clone();
        let c = || config.clone();
        reconcile!("service", services, service_keys, Services { stores: s() });
        reconcile!(
            "configuration",
            configurations,
            configuration_keys,
            Configurations { stores: s() }
        );
        reconcile!("gc", configurations, collection_keys, Collections { stores: s(), config: c() });
        reconcile!(
            "revision",
            revisions,
            revision_keys,
            Revisions { stores: s(), pins, config: c(), drain }
        );
        reconcile!(
            "route",
            routes,
            route_keys,
            Routes { stores: s(), served: served_routes, config: c() }
        );
        reconcile!(
            "domainmapping",
            domain_mappings,
            domain_mapping_keys,
            DomainMappings { stores: s(), served: served_mappings, config: c() }
        );
        Queues { services, configurations, collections, revisions, routes, domain_mappings }
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

/// Done when every local copy is complete. Deciding on half of them would make children twice.
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
            biased; // the end comes first
            () = shutdown.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        queues.revisions.wake_all(&stores.revisions).await;
        queues.routes.wake_all(&stores.routes).await;
        queues.collections.wake_all(&stores.configurations).await;
        queues.domain_mappings.wake_all(&stores.domain_mappings).await;
    }
}

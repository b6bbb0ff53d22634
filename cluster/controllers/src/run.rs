//! The tasks: one per group of controllers, started again when it ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rouse_apiserver::Cluster;
use rouse_apiserver::registry::Registry;
use rouse_kit::{Component, Part, Shutdown};

use super::autoscaling::{PodMetrics, Unmeasured};
use super::feed::Feed;
use super::metrics::Reconciles;
use super::objects::Objects;
use super::pass::Pass;
use super::recorder;
use super::work::{GROUPS, Group, NAMESPACES};

/// The interval at which old Events are deleted.
const EXPIRE: Duration = Duration::from_secs(60);

/// The configuration of the built-in controllers.
#[derive(Clone)]
pub struct Config {
    pub registry: Registry,
    /// The certificate that pods are to trust, for `kube-root-ca.crt`.
    pub ca: String,
    /// What HorizontalPodAutoscalers follow.
    pub metrics: Arc<dyn PodMetrics>,
}

impl Config {
    /// For the controllers of this cluster, whose nodes measure nothing.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            registry: cluster.registry().clone(),
            ca: cluster.ca().to_owned(),
            metrics: Arc::new(Unmeasured),
        }
    }
}

/// Starts the built-in controllers; they end with the component.
pub fn start(config: &Config, component: &Component) {
    let reconciles = Reconciles::default();
    reconciles.register(&component.metrics);
    let health = Health::new(component.health.part("controllers"));
    for group in GROUPS {
        let (config, shutdown) = (config.clone(), component.shutdown.clone());
        let (reconciles, health) = (reconciles.clone(), health.clone());
        component.tasks.restarting(group.name, move || {
            run(group, config.clone(), reconciles.clone(), health.clone(), shutdown.clone())
        });
    }
}

/// The part `controllers`: ready while every group runs.
#[derive(Clone)]
struct Health(Arc<(Part, Mutex<BTreeSet<&'static str>>)>);

impl Health {
    fn new(part: Part) -> Self {
        Self(Arc::new((part, Mutex::new(GROUPS.iter().map(|group| group.name).collect()))))
    }

    fn set(&self, group: &'static str, runs: bool) {
        let (part, down) = &*self.0;
        let mut down = down.lock();
        let changed = if runs { down.remove(group) } else { down.insert(group) };
        if changed {
            let names: Vec<&str> = down.iter().copied().collect();
            part.set((!names.is_empty()).then(|| format!("not running: {}", names.join(", "))));
        }
    }
}

/// Reports that a group does not run when its task ends.
struct Running {
    group: &'static str,
    health: Health,
    shutdown: Shutdown,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.shutdown.is_cancelled() {
            self.health.set(self.group, false);
        }
    }
}

/// One group until `shutdown`.
async fn run(
    group: Group,
    config: Config,
    reconciles: Reconciles,
    health: Health,
    shutdown: Shutdown,
) {
    let mut feed = Feed::from_now(&config.registry.store);
    let Config { registry, ca, metrics } = config;
    let mut pass = Pass::new(group, Objects::new(registry), ca, metrics, reconciles);
    pass.everything();
    let _running =
        Running { group: group.name, health: health.clone(), shutdown: shutdown.clone() };
    let mut expire = tokio::time::interval(EXPIRE);
    let mut started = false;
    loop {
        pass.run();
        if !started {
            health.set(group.name, true);
            started = true;
        }
        if pass.has_work() {
            // Its own writes wake this task at once: other tasks get their turn between.
            tokio::task::yield_now().await;
        }
        let again = pass.next_time();
        tokio::select! {
            biased; // shutdown, then changes, then time
            () = shutdown.cancelled() => return,
            events = feed.next() => match events {
                Ok(events) => events.iter().for_each(|event| pass.changed(event)),
                // Too far behind the changes: every object is reconciled.
                Err(_) => pass.everything(),
            },
            () = tokio::time::sleep(again) => pass.time_passed(),
            _ = expire.tick(), if group == NAMESPACES => recorder::expire(pass.objects()),
        }
    }
}

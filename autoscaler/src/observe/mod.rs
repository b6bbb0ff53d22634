//! Watches the cluster's objects and passes them to the revisions: PodAutoscalers, pods,
//! Deployments, settings.

mod pod;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use kube::runtime::watcher;
use rouse_api::annotations::Autoscaling;
use rouse_api::config::{AutoscalerConfig, DeploymentConfig};
use rouse_api::usage::Instance;
use rouse_api::{PodAutoscaler, keys};
use rouse_k8s::pod::has_ended;
use rouse_k8s::{ObjectKey, object};
use rouse_kit::mirror::{Change, Mirror};
use rouse_kit::{Live, Part, Shutdown, panics};

use self::pod::{revision_of, view};
use crate::apply::about::About;
use crate::apply::multiscaler::Multiscaler;
use crate::decide::drain::PodView;
use crate::decide::spec::ScalingSpec;
use crate::revision::Revision;
use crate::usage::instance_of;

/// The settings that scaling follows.
#[derive(Clone)]
pub(crate) struct LiveSettings {
    pub(crate) autoscaler: Live<AutoscalerConfig>,
    pub(crate) deployment: Live<DeploymentConfig>,
}

impl LiveSettings {
    fn spec(&self, pa: &PodAutoscaler) -> ScalingSpec {
        ScalingSpec::new(pa, &self.autoscaler.get(), self.deployment.get().progress_deadline)
    }
}

/// A pod that has not ended, and its revision.
#[derive(Debug, PartialEq)]
struct PodOf {
    revision: ObjectKey,
    name: String,
    /// None for one that is being deleted.
    view: Option<PodView>,
}

/// The replicas that a revision's Deployment asks for, and the size of each.
#[derive(Debug, PartialEq)]
struct ReplicasOf {
    revision: ObjectKey,
    replicas: u32,
    instance: Instance,
}

/// All watched objects, by revision: a revision gets all of its objects, in whatever order they
/// come.
pub(crate) struct Reconciler {
    scaler: Arc<Multiscaler>,
    settings: LiveSettings,
    autoscalers: Mirror<PodAutoscaler>,
    pods: Mirror<PodOf>,
    deployments: Mirror<ReplicasOf>,
    /// Whether the initial list of PodAutoscalers is complete: its objects existed before this
    /// process.
    started: bool,
}

impl Reconciler {
    pub(crate) fn new(client: &Client, scaler: Arc<Multiscaler>, settings: LiveSettings) -> Self {
        let of_revisions = watcher::Config::default().labels(keys::REVISION);
        let clock = Arc::clone(&scaler);
        let pod = move |pod: Pod| {
            let (revision, name) = (revision_of(&pod)?, object::name(&pod.metadata).to_owned());
            (!has_ended(&pod)).then(|| PodOf { revision, name, view: view(&pod, clock.now().wall) })
        };
        let pods = Mirror::of(Api::all(client.clone()), of_revisions.clone(), pod);
        Self {
            scaler,
            settings,
            autoscalers: Mirror::new(Api::all(client.clone()), watcher::Config::default()),
            pods,
            deployments: Mirror::of(Api::all(client.clone()), of_revisions, replicas_of),
            started: false,
        }
    }

    /// Follows the cluster until `shutdown`.
    pub(crate) async fn run(mut self, health: Part, shutdown: Shutdown) {
        let mut config = self.settings.autoscaler.subscribe();
        let mut deployment_config = self.settings.deployment.subscribe();
        loop {
            tokio::select! {
                biased; // shutdown first; settings before the objects that they apply to
                () = shutdown.cancelled() => return,
                Ok(()) = config.changed() => self.settings_changed(),
                Ok(()) = deployment_config.changed() => self.settings_changed(),
                change = self.deployments.next() => self.deployment(change),
                change = self.pods.next() => self.pod(change),
                change = self.autoscalers.next() => {
                    self.autoscaler(change);
                    if self.started {
                        health.ready();
                    }
                }
                key = self.scaler.to_restart() => self.restart(&key),
            }
        }
    }

    fn settings_changed(&self) {
        for pa in self.autoscalers.store().all() {
            self.set_autoscaler(&ObjectKey::of(&pa.metadata), &pa, true);
        }
    }

    fn autoscaler(&mut self, change: Change<PodAutoscaler>) {
        match change {
            Change::Added { key, new } => self.set_autoscaler(&key, &new, !self.started),
            // Our own status comes back as a change too; nothing depends on it.
            Change::Changed { key, old, new } if differs(&old, &new) => {
                self.set_autoscaler(&key, &new, false);
            }
            Change::Changed { .. } => {}
            Change::Gone { key, .. } => self.scaler.remove(&key),
            Change::InSync => self.started = true,
        }
    }

    /// `recovered` as in `take_over`.
    fn set_autoscaler(&self, key: &ObjectKey, pa: &PodAutoscaler, recovered: bool) {
        if !self.is_ours(pa) || pa.metadata.deletion_timestamp.is_some() {
            self.scaler.remove(key);
            return;
        }
        match self.scaler.get(key) {
            Some(unit) => unit.update(|revision| revision.set_spec(pa, self.settings.spec(pa))),
            None => self.take_over(key, pa, recovered),
        }
    }

    /// Starts to scale a revision, with all its known objects. `recovered` if it was scaled before,
    /// but the history of its load is lost.
    fn take_over(&self, key: &ObjectKey, pa: &PodAutoscaler, recovered: bool) {
        let about = About::of(pa);
        let made = panics::catch(|| {
            let spec = self.settings.spec(pa);
            let now = self.scaler.now();
            let mut revision = Revision::new(key.clone(), pa, spec, recovered, now);
            let deployments = self.deployments.store();
            let deployments = deployments.filter_in(&key.namespace, |of| of.revision == *key);
            if let Some(of) = deployments.first() {
                revision.set_replicas(Some(of.replicas));
                revision.set_instance(of.instance.clone());
            }
            let pods = self.pods.store().filter_in(&key.namespace, |of| of.revision == *key);
            for of in &pods {
                follow(&mut revision, of);
            }
            revision
        });
        match made {
            Ok(revision) => self.scaler.add(revision, about),
            Err(panicked) => self.scaler.set_aside(key.clone(), about, &panicked),
        }
    }

    /// Starts again to scale a revision whose scaling panicked.
    fn restart(&self, key: &ObjectKey) {
        match self.autoscalers.store().get(&key.namespace, &key.name) {
            Some(pa) if self.scaler.get(key).is_none() && self.is_ours(&pa) => {
                self.take_over(key, &pa, true);
            }
            Some(_) | None => {}
        }
    }

    fn is_ours(&self, pa: &PodAutoscaler) -> bool {
        let none = BTreeMap::new();
        let annotations = pa.metadata.annotations.as_ref().unwrap_or(&none);
        Autoscaling::new(annotations, &self.settings.autoscaler.get()).class() == keys::CLASS_KPA
    }

    fn pod(&self, change: Change<PodOf>) {
        match change {
            Change::Added { new, .. } => self.set_pod(&new),
            Change::Changed { old, new, .. } if old != new => {
                if old.revision != new.revision {
                    self.remove_pod(&old);
                }
                self.set_pod(&new);
            }
            Change::Gone { old, .. } => self.remove_pod(&old),
            Change::Changed { .. } | Change::InSync => {}
        }
    }

    fn set_pod(&self, of: &PodOf) {
        if let Some(unit) = self.scaler.get(&of.revision) {
            unit.update(|revision| follow(revision, of));
        }
    }

    fn remove_pod(&self, of: &PodOf) {
        if let Some(unit) = self.scaler.get(&of.revision) {
            unit.update(|revision| revision.remove_pod(&of.name));
        }
    }

    fn deployment(&self, change: Change<ReplicasOf>) {
        match change {
            Change::Added { new, .. } => self.set_replicas(&new),
            Change::Changed { old, new, .. } if old != new => {
                if old.revision != new.revision {
                    self.lose_replicas(&old.revision);
                }
                self.set_replicas(&new);
            }
            Change::Gone { old, .. } => self.lose_replicas(&old.revision),
            Change::Changed { .. } | Change::InSync => {}
        }
    }

    fn set_replicas(&self, of: &ReplicasOf) {
        if let Some(unit) = self.scaler.get(&of.revision) {
            unit.update(|revision| {
                revision.set_replicas(Some(of.replicas));
                revision.set_instance(of.instance.clone());
            });
        }
    }

    fn lose_replicas(&self, key: &ObjectKey) {
        if let Some(unit) = self.scaler.get(key) {
            unit.update(|revision| revision.set_replicas(None));
        }
    }
}

fn follow(revision: &mut Revision, pod: &PodOf) {
    match &pod.view {
        Some(view) => revision.set_pod(view.clone()),
        None => revision.set_terminating(pod.name.clone()),
    }
}

/// None for one that is being deleted.
fn replicas_of(deployment: Deployment) -> Option<ReplicasOf> {
    if deployment.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let revision = revision_of(&deployment)?;
    let spec = deployment.spec.unwrap_or_default();
    let replicas = u32::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    Some(ReplicasOf { revision, replicas, instance: instance_of(&spec.template) })
}

/// Whether anything changed that scaling depends on.
fn differs(before: &PodAutoscaler, after: &PodAutoscaler) -> bool {
    before.metadata.generation != after.metadata.generation
        || before.metadata.annotations != after.metadata.annotations
        || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        || before.spec != after.spec
}

//! The cluster's objects, brought to the revisions: PodAutoscalers, pods, Deployments, settings.

mod pod;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use rouse_api::annotations::Autoscaling;
use rouse_api::config::{AutoscalerConfig, DeploymentConfig};
use rouse_api::{PodAutoscaler, keys};
use rouse_k8s::ObjectKey;
use rouse_kit::{Live, Part, Shutdown, panics};

use self::pod::{revision_of, view};
use crate::apply::about::About;
use crate::apply::multiscaler::Multiscaler;
use crate::decide::drain::PodView;
use crate::decide::spec::ScalingSpec;
use crate::revision::Revision;

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

/// Everything that is watched, by revision: whatever order it comes in, a revision gets all of it.
pub(crate) struct Reconciler {
    pub(crate) scaler: Arc<Multiscaler>,
    pub(crate) settings: LiveSettings,
    /// All PodAutoscalers of our class.
    autoscalers: BTreeMap<ObjectKey, PodAutoscaler>,
    pods: BTreeMap<ObjectKey, BTreeMap<String, PodView>>,
    replicas: BTreeMap<ObjectKey, u32>,
    /// Whether the first list of PodAutoscalers is through: what it held was there before us.
    started: bool,
    /// Seen in the list that is running.
    listed: Listed,
}

#[derive(Default)]
struct Listed {
    autoscalers: HashSet<ObjectKey>,
    pods: HashSet<(ObjectKey, String)>,
    deployments: HashSet<ObjectKey>,
}

impl Reconciler {
    pub(crate) fn new(scaler: Arc<Multiscaler>, settings: LiveSettings) -> Self {
        Self {
            scaler,
            settings,
            autoscalers: BTreeMap::new(),
            pods: BTreeMap::new(),
            replicas: BTreeMap::new(),
            started: false,
            listed: Listed::default(),
        }
    }

    /// Follows the cluster until `shutdown`.
    pub(crate) async fn run(mut self, client: Client, health: Part, shutdown: Shutdown) {
        let of_revisions = watcher::Config::default().labels(keys::REVISION);
        let mut autoscalers = watch::<PodAutoscaler>(&client, watcher::Config::default());
        let mut pods = watch::<Pod>(&client, of_revisions.clone());
        let mut deployments = watch::<Deployment>(&client, of_revisions);
        let mut config = self.settings.autoscaler.subscribe();
        let mut deployment_config = self.settings.deployment.subscribe();
        loop {
            tokio::select! {
                biased; // the end first; settings before what is decided by them
                () = shutdown.cancelled() => return,
                Ok(()) = config.changed() => self.settings_changed(),
                Ok(()) = deployment_config.changed() => self.settings_changed(),
                Some(event) = deployments.next() => self.deployment(event),
                Some(event) = pods.next() => self.pod(event),
                Some(event) = autoscalers.next() => {
                    self.autoscaler(event);
                    if self.started {
                        health.ready();
                    }
                }
                key = self.scaler.to_restart() => self.restart(&key),
                else => return,
            }
        }
    }

    fn settings_changed(&self) {
        for (key, pa) in &self.autoscalers {
            if let Some(unit) = self.scaler.get(key) {
                unit.update(|revision| revision.set_spec(pa, self.settings.spec(pa)));
            }
        }
    }

    fn autoscaler(&mut self, event: watcher::Event<PodAutoscaler>) {
        match event {
            watcher::Event::Init => self.listed.autoscalers.clear(),
            watcher::Event::InitApply(pa) => {
                if let Some(key) = key_of(&pa) {
                    self.listed.autoscalers.insert(key);
                }
                self.set_autoscaler(pa);
            }
            watcher::Event::InitDone => {
                self.started = true;
                for key in self.scaler.keys() {
                    if !self.listed.autoscalers.contains(&key) {
                        self.remove_autoscaler(&key);
                    }
                }
            }
            watcher::Event::Apply(pa) => self.set_autoscaler(pa),
            watcher::Event::Delete(pa) => {
                if let Some(key) = key_of(&pa) {
                    self.remove_autoscaler(&key);
                }
            }
        }
    }

    fn set_autoscaler(&mut self, pa: PodAutoscaler) {
        let Some(key) = key_of(&pa) else { return };
        if !self.is_ours(&pa) || pa.metadata.deletion_timestamp.is_some() {
            self.remove_autoscaler(&key);
            return;
        }
        let before = self.autoscalers.insert(key.clone(), pa.clone());
        let same_object = before.as_ref().is_some_and(|b| b.metadata.uid == pa.metadata.uid);
        match self.scaler.get(&key) {
            Some(unit) if same_object => {
                // Our own status comes back as an event too; it changes nothing.
                if before.is_some_and(|b| differs(&b, &pa)) {
                    unit.update(|revision| revision.set_spec(&pa, self.settings.spec(&pa)));
                }
            }
            Some(_) | None => self.take_over(&key, &pa, !self.started),
        }
    }

    /// Scales a revision by all that is known of it. `recovered` if it was scaled before, whose load
    /// is not known any more.
    fn take_over(&self, key: &ObjectKey, pa: &PodAutoscaler, recovered: bool) {
        let about = About::of(pa);
        let made = panics::catch(|| {
            let spec = self.settings.spec(pa);
            let now = self.scaler.now();
            let mut revision = Revision::new(key.clone(), pa, spec, recovered, now);
            revision.set_replicas(self.replicas.get(key).copied());
            let pods = self.pods.get(key).map(|pods| pods.values().cloned().collect());
            revision.set_pods(pods.unwrap_or_default());
            revision
        });
        match made {
            Ok(revision) => self.scaler.add(revision, about),
            Err(panicked) => self.scaler.set_aside(key.clone(), about, &panicked),
        }
    }

    /// Makes a revision anew whose scaling panicked.
    fn restart(&self, key: &ObjectKey) {
        if let Some(pa) = self.autoscalers.get(key) {
            self.take_over(key, pa, true);
        }
    }

    fn is_ours(&self, pa: &PodAutoscaler) -> bool {
        let none = BTreeMap::new();
        let annotations = pa.metadata.annotations.as_ref().unwrap_or(&none);
        Autoscaling::new(annotations, &self.settings.autoscaler.get()).class() == keys::CLASS_KPA
    }

    fn remove_autoscaler(&mut self, key: &ObjectKey) {
        self.autoscalers.remove(key);
        self.scaler.remove(key);
    }

    fn pod(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.pods.clear(),
            watcher::Event::InitApply(pod) => {
                if let Some(key) = revision_of(&pod) {
                    self.listed.pods.insert((key, pod.name_any()));
                }
                self.set_pod(&pod);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed.pods);
                let gone: Vec<(ObjectKey, String)> = self
                    .pods
                    .iter()
                    .flat_map(|(key, pods)| pods.keys().map(|pod| (key.clone(), pod.clone())))
                    .filter(|pod| !listed.contains(pod))
                    .collect();
                for (key, pod) in gone {
                    self.remove_pod(&key, &pod);
                }
            }
            watcher::Event::Apply(pod) => self.set_pod(&pod),
            watcher::Event::Delete(pod) => {
                if let Some(key) = revision_of(&pod) {
                    self.remove_pod(&key, &pod.name_any());
                }
            }
        }
    }

    fn set_pod(&mut self, pod: &Pod) {
        let Some(key) = revision_of(pod) else { return };
        let Some(view) = view(pod, self.scaler.now()) else {
            self.remove_pod(&key, &pod.name_any());
            return;
        };
        let pods = self.pods.entry(key.clone()).or_default();
        if pods.insert(view.name.clone(), view.clone()).as_ref() == Some(&view) {
            return;
        }
        if let Some(unit) = self.scaler.get(&key) {
            unit.update(|revision| revision.set_pod(view));
        }
    }

    fn remove_pod(&mut self, key: &ObjectKey, name: &str) {
        if let Some(pods) = self.pods.get_mut(key) {
            pods.remove(name);
            if pods.is_empty() {
                self.pods.remove(key);
            }
        }
        if let Some(unit) = self.scaler.get(key) {
            unit.update(|revision| revision.remove_pod(name));
        }
    }

    fn deployment(&mut self, event: watcher::Event<Deployment>) {
        match event {
            watcher::Event::Init => self.listed.deployments.clear(),
            watcher::Event::InitApply(deployment) => {
                if let Some(key) = revision_of(&deployment) {
                    self.listed.deployments.insert(key);
                }
                self.set_deployment(&deployment);
            }
            watcher::Event::InitDone => {
                let gone: Vec<ObjectKey> = self
                    .replicas
                    .keys()
                    .filter(|key| !self.listed.deployments.contains(*key))
                    .cloned()
                    .collect();
                for key in gone {
                    self.set_replicas(key, None);
                }
            }
            watcher::Event::Apply(deployment) => self.set_deployment(&deployment),
            watcher::Event::Delete(deployment) => {
                if let Some(key) = revision_of(&deployment) {
                    self.set_replicas(key, None);
                }
            }
        }
    }

    fn set_deployment(&mut self, deployment: &Deployment) {
        let Some(key) = revision_of(deployment) else { return };
        let going = deployment.metadata.deletion_timestamp.is_some();
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        self.set_replicas(key, (!going).then(|| u32::try_from(replicas).unwrap_or(0)));
    }

    fn set_replicas(&mut self, key: ObjectKey, replicas: Option<u32>) {
        let before = match replicas {
            Some(replicas) => self.replicas.insert(key.clone(), replicas),
            None => self.replicas.remove(&key),
        };
        if before == replicas {
            return;
        }
        if let Some(unit) = self.scaler.get(&key) {
            unit.update(|revision| revision.set_replicas(replicas));
        }
    }
}

/// A watch of all namespaces that goes on for ever.
fn watch<K>(
    client: &Client,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Event<K>> + Unpin + use<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + 'static,
    K: serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    watcher(api, config)
        .default_backoff()
        .filter_map(|event| async move {
            event
                .inspect_err(|error| {
                    tracing::debug!(kind = %K::kind(&()), %error, "a watch starts over");
                })
                .ok()
        })
        .boxed()
}

/// Whether anything that scaling depends on is another.
fn differs(before: &PodAutoscaler, after: &PodAutoscaler) -> bool {
    before.metadata.generation != after.metadata.generation
        || before.metadata.annotations != after.metadata.annotations
        || before.spec != after.spec
}

fn key_of(pa: &PodAutoscaler) -> Option<ObjectKey> {
    Some(ObjectKey::new(pa.namespace()?, pa.name_any()))
}

//! What the cluster says, brought to the revisions: PodAutoscalers, pods, Deployments, settings.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use rouse_api::annotations::Autoscaling;
use rouse_api::config::{AutoscalerConfig, DeploymentConfig};
use rouse_api::{PodAutoscaler, keys};
use rouse_kit::{Live, Shutdown};

use crate::collector::RevisionKey;
use crate::drain::{PodView, Stage};
use crate::multiscaler::Multiscaler;
use crate::revision::Revision;
use crate::spec::ScalingSpec;

/// How long a request may take where a pod does not say. Upstream: `revision-timeout-seconds`.
const GRACE_DEFAULT_S: u64 = 300;

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
    autoscalers: BTreeMap<RevisionKey, PodAutoscaler>,
    pods: BTreeMap<RevisionKey, BTreeMap<String, PodView>>,
    replicas: BTreeMap<RevisionKey, u32>,
    /// Whether the first list of PodAutoscalers is through: what it held was there before us.
    started: bool,
    /// Seen in the list that is running.
    listed: Listed,
}

#[derive(Default)]
struct Listed {
    autoscalers: HashSet<RevisionKey>,
    pods: HashSet<(RevisionKey, String)>,
    deployments: HashSet<RevisionKey>,
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
    pub(crate) async fn run(mut self, client: Client, shutdown: Shutdown) {
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
                Some(event) = autoscalers.next() => self.autoscaler(event),
                else => return,
            }
        }
    }

    fn settings_changed(&self) {
        for (key, pa) in &self.autoscalers {
            if let Some(unit) = self.scaler.get(key) {
                let spec = self.settings.spec(pa);
                unit.update(|revision| revision.set_spec(pa, spec));
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
        let spec = self.settings.spec(&pa);
        let same_object = before.as_ref().is_some_and(|b| b.metadata.uid == pa.metadata.uid);
        match self.scaler.get(&key) {
            Some(unit) if same_object => {
                // Our own status comes back as an event too; it changes nothing.
                if before.is_some_and(|b| differs(&b, &pa)) {
                    unit.update(|revision| revision.set_spec(&pa, spec));
                }
            }
            Some(_) | None => {
                let now = self.scaler.now();
                let mut revision = Revision::new(key.clone(), &pa, spec, !self.started, now);
                revision.set_replicas(self.replicas.get(&key).copied());
                let pods = self.pods.get(&key).map(|pods| pods.values().cloned().collect());
                revision.set_pods(pods.unwrap_or_default());
                self.scaler.add(revision);
            }
        }
    }

    fn is_ours(&self, pa: &PodAutoscaler) -> bool {
        let none = BTreeMap::new();
        let annotations = pa.metadata.annotations.as_ref().unwrap_or(&none);
        Autoscaling::new(annotations, &self.settings.autoscaler.get()).class() == keys::CLASS_KPA
    }

    fn remove_autoscaler(&mut self, key: &RevisionKey) {
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
                let gone: Vec<(RevisionKey, String)> = self
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

    fn remove_pod(&mut self, key: &RevisionKey, name: &str) {
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
                let gone: Vec<RevisionKey> = self
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

    fn set_replicas(&mut self, key: RevisionKey, replicas: Option<u32>) {
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

fn key_of(pa: &PodAutoscaler) -> Option<RevisionKey> {
    Some(RevisionKey { namespace: pa.namespace()?, name: pa.name_any() })
}

fn revision_of<K: Resource>(object: &K) -> Option<RevisionKey> {
    let meta = object.meta();
    let name = meta.labels.as_ref()?.get(keys::REVISION)?.clone();
    Some(RevisionKey { namespace: meta.namespace.clone()?, name })
}

/// A pod as scaling sees it; None if it ended or is being deleted.
fn view(pod: &Pod, now: Timestamp) -> Option<PodView> {
    let status = pod.status.as_ref();
    let ended = status
        .and_then(|status| status.phase.as_deref())
        .is_some_and(|phase| phase == "Failed" || phase == "Succeeded");
    if ended || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let ready = status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready" && condition.status == "True");
    let created = pod.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let since =
        ready.and_then(|ready| ready.last_transition_time.as_ref()).map_or(created, |t| t.0);
    let spec = pod.spec.as_ref();
    let scheduled = spec.is_some_and(|spec| spec.node_name.is_some());
    let pending = status.and_then(|status| status.phase.as_deref()).is_none_or(|p| p == "Pending");
    let stage = match (scheduled, pending, ready.is_some()) {
        (false, _, _) => Stage::Unscheduled,
        (true, true, _) => Stage::Pending,
        (true, false, false) => Stage::Running,
        (true, false, true) => Stage::Ready,
    };
    Some(PodView {
        name: pod.name_any(),
        stage,
        since,
        marked: pod.annotations().get(keys::DRAINING).map(|at| at.parse().unwrap_or(now)),
        grace: longest_request(pod),
    })
}

/// How long a request may take: the grace period is that and the sleep before the end begins.
fn longest_request(pod: &Pod) -> Duration {
    let Some(spec) = &pod.spec else { return Duration::from_secs(GRACE_DEFAULT_S) };
    let sleep = |container: &Container| {
        container.lifecycle.as_ref()?.pre_stop.as_ref()?.sleep.as_ref().map(|sleep| sleep.seconds)
    };
    let sleep = spec.containers.iter().filter_map(sleep).max().unwrap_or(0);
    let seconds = spec.termination_grace_period_seconds.map(|grace| grace - sleep);
    let seconds = seconds.map_or(GRACE_DEFAULT_S, |seconds| u64::try_from(seconds).unwrap_or(0));
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(change: serde_json::Value) -> Pod {
        let mut pod = json!({
            "metadata": {
                "name": "digits-00001-abc", "namespace": "models",
                "creationTimestamp": "2025-01-01T00:00:00Z",
                "labels": { keys::REVISION: "digits-00001" },
            },
            "spec": {
                "containers": [{ "name": "c", "lifecycle": { "preStop": { "sleep": { "seconds": 5 } } } }],
                "nodeName": "laptop", "terminationGracePeriodSeconds": 65,
            },
            "status": { "phase": "Running", "conditions": [{
                "type": "Ready", "status": "True", "lastTransitionTime": "2025-01-01T00:00:07Z",
            }] },
        });
        let merge = |pod: &mut serde_json::Value, path: &str, value| {
            if let Some(found) = pod.pointer_mut(path) {
                *found = value;
            }
        };
        for (path, value) in change.as_object().unwrap() {
            merge(&mut pod, path, value.clone());
        }
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_ready_pod_counts_and_one_that_ends_does_not() {
        let now = "2025-01-02T00:00:00Z".parse().unwrap();
        let ready = view(&pod(json!({})), now).unwrap();
        assert_eq!((ready.stage, ready.marked), (Stage::Ready, None));
        assert_eq!(ready.since, "2025-01-01T00:00:07Z".parse().unwrap());
        assert_eq!(ready.grace, Duration::from_secs(60), "without the sleep before the end");
        let stage = |change| view(&pod(change), now).unwrap().stage;
        assert_eq!(stage(json!({ "/status/conditions": [] })), Stage::Running);
        assert_eq!(
            stage(json!({ "/status/conditions": [], "/status/phase": "Pending" })),
            Stage::Pending
        );
        assert_eq!(
            stage(json!({ "/status": {}, "/spec/nodeName": serde_json::Value::Null })),
            Stage::Unscheduled
        );
        assert_eq!(view(&pod(json!({ "/status/phase": "Failed" })), now), None);
        let revision = revision_of(&pod(json!({}))).unwrap();
        assert_eq!(revision.to_string(), "models/digits-00001");
    }
}

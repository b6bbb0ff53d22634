//! A Pod as scaling sees it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{Resource, ResourceExt};
use rouse_api::keys;

use crate::decide::drain::{PodView, Stage};
use crate::load::RevisionKey;

/// How long a request may take where a pod does not say. Upstream: `revision-timeout-seconds`.
const GRACE_DEFAULT_S: u64 = 300;

/// The revision that an object belongs to.
pub(super) fn revision_of<K: Resource>(object: &K) -> Option<RevisionKey> {
    let meta = object.meta();
    let name = meta.labels.as_ref()?.get(keys::REVISION)?.clone();
    Some(RevisionKey { namespace: meta.namespace.clone()?, name })
}

/// The view of a pod; None if it ended or is being deleted.
pub(super) fn view(pod: &Pod, now: Timestamp) -> Option<PodView> {
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

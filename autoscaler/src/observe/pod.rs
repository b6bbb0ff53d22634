//! Reads the fields of a Pod that scaling depends on.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Resource;
use rouse_api::keys;
use rouse_k8s::{ObjectKey, object, pod, time};

use crate::decide::drain::{PodView, Stage};

/// How long a request may take if a pod has no grace period. Upstream: `revision-timeout-seconds`.
const GRACE_DEFAULT: Duration = Duration::from_secs(300);

/// The revision that an object belongs to.
pub(super) fn revision_of<K: Resource>(object: &K) -> Option<ObjectKey> {
    let meta = object.meta();
    let name = object::label(meta, keys::REVISION)?;
    Some(ObjectKey::new(meta.namespace.clone()?, name))
}

/// The view of a pod; None if it has ended or is being deleted.
pub(super) fn view(pod: &Pod, now: Timestamp) -> Option<PodView> {
    if !pod::is_active(pod) {
        return None;
    }
    let stage = match (pod::node(pod), pod::phase(pod), pod::is_ready(pod)) {
        (None, _, _) => Stage::Unscheduled,
        (Some(_), "" | "Pending", _) => Stage::Pending,
        (Some(_), _, false) => Stage::Running,
        (Some(_), _, true) => Stage::Ready,
    };
    let marked = object::annotation(&pod.metadata, keys::DRAINING);
    Some(PodView {
        name: object::name(&pod.metadata).to_owned(),
        stage,
        since: pod::ready_since(pod).or_else(|| pod::created(pod)).unwrap_or(now),
        marked: marked.map(|at| at.parse().unwrap_or(now)),
        grace: longest_request(pod),
    })
}

/// How long a request may take: the grace period without the preStop sleep.
fn longest_request(pod: &Pod) -> Duration {
    let grace = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    let Some(grace) = grace else { return GRACE_DEFAULT };
    let sleep = |container: &Container| {
        container.lifecycle.as_ref()?.pre_stop.as_ref()?.sleep.as_ref().map(|sleep| sleep.seconds)
    };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let sleep = containers.filter_map(sleep).max().unwrap_or(0);
    time::seconds(grace.saturating_sub(sleep))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(change: serde_json::Value) -> Pod {
        let mut pod = json!({
            "metadata": {
                "name": "digits-00001-abc", "namespace": "models", "annotations": {},
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

    #[test]
    fn any_grace_period_and_any_sleep_give_a_time() {
        let now = "2025-01-02T00:00:00Z".parse().unwrap();
        let grace = |grace: i64, pre_stop: i64| {
            let change = json!({
                "/spec/terminationGracePeriodSeconds": grace,
                "/spec/containers/0/lifecycle/preStop/sleep/seconds": pre_stop,
            });
            view(&pod(change), now).unwrap().grace
        };
        assert_eq!(grace(5, 7), Duration::ZERO);
        assert_eq!(grace(i64::MIN, i64::MAX), Duration::ZERO);
        assert!(grace(i64::MAX, i64::MIN) > Duration::from_secs(1 << 32));
        let marked = json!({ "/metadata/annotations": { keys::DRAINING: "never" } });
        assert_eq!(view(&pod(marked), now).unwrap().marked, Some(now), "a mark that says no time");
    }
}

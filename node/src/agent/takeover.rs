//! Takeover of the pods of an earlier run, whose containers ended with it.
//!
//! Other programs may listen at the pods' addresses by now, so the addresses are removed from the
//! objects before any request is routed by them.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use rouse_kit::address::ADDRESS_ANNOTATION;
use serde_json::{Value, json};

use crate::worker::Shared;

/// Pods that are written at a time.
const AT_ONCE: usize = 64;

/// Conditions that say that a pod's containers run.
const OF_CONTAINERS: [&str; 2] = ["Ready", "ContainersReady"];

/// Removes the addresses of all pods of this node, and marks the pods not ready.
pub(crate) async fn forget_addresses(shared: &Shared) -> Result<(), kube::Error> {
    let pods: Api<Pod> = Api::all(shared.client.clone());
    let mine = ListParams::default().fields(&format!("spec.nodeName={}", shared.config.node_name));
    let pods = pods.list(&mine).await?;
    // Concurrent, so that the writes share disk syncs: the platform's start waits for them.
    let forget = pods.into_iter().map(|pod| forget_address(shared, pod));
    stream::iter(forget).buffer_unordered(AT_ONCE).try_collect().await
}

async fn forget_address(shared: &Shared, pod: Pod) -> Result<(), kube::Error> {
    let Some((object, status)) = forgotten(&pod, shared.clock.now()) else { return Ok(()) };
    let (name, namespace) =
        (pod.metadata.name.unwrap_or_default(), pod.metadata.namespace.unwrap_or_default());
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), &namespace);
    let params = PatchParams::default();
    let (object, status) = (Patch::Merge(&object), Patch::Merge(&status));
    let (status, object) =
        tokio::join!(api.patch_status(&name, &params, &status), api.patch(&name, &params, &object));
    gone_is_done(status)?;
    gone_is_done(object)
}

/// A pod that was deleted meanwhile, or replaced by one of the same name, needs no patch.
fn gone_is_done(patched: Result<Pod, kube::Error>) -> Result<(), kube::Error> {
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Patches for the object and for its status; None if it has no address.
fn forgotten(pod: &Pod, now: Timestamp) -> Option<(Value, Value)> {
    let status = pod.status.as_ref();
    let has_ip = status.is_some_and(|status| status.pod_ip.is_some());
    let annotations = pod.metadata.annotations.as_ref();
    let has_address = annotations.is_some_and(|all| all.contains_key(ADDRESS_ANNOTATION));
    if !has_ip && !has_address {
        return None;
    }
    let uid = &pod.metadata.uid;
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let conditions: Vec<_> =
        conditions.iter().map(|condition| not_running(condition, now)).collect();
    Some((
        json!({"metadata": {"uid": uid, "annotations": {ADDRESS_ANNOTATION: null}}}),
        json!({"metadata": {"uid": uid},
               "status": {"podIP": null, "podIPs": null, "conditions": conditions}}),
    ))
}

fn not_running(condition: &PodCondition, now: Timestamp) -> PodCondition {
    let mut condition = condition.clone();
    if OF_CONTAINERS.contains(&condition.type_.as_str()) && condition.status == "True" {
        "False".clone_into(&mut condition.status);
        condition.last_transition_time = Some(Time(now));
    }
    condition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(value: Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_address_of_an_earlier_run_is_removed_and_the_pod_is_not_ready() {
        let conditions = json!([
            {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}
        ]);
        let before = pod(json!({
            "metadata": {"uid": "u", "annotations": {ADDRESS_ANNOTATION: "{}"}},
            "status": {"podIP": "172.17.0.2", "conditions": conditions}
        }));
        let (object, status) = forgotten(&before, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(
            object["metadata"],
            json!({"uid": "u", "annotations": {ADDRESS_ANNOTATION: null}})
        );
        assert_eq!(status["status"]["podIP"], Value::Null);
        let said = &status["status"]["conditions"];
        assert_eq!((&said[0]["status"], &said[1]["status"]), (&json!("True"), &json!("False")));
        assert_eq!(said[1]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_pod_that_was_deleted_meanwhile_does_not_stop_the_start() {
        let answer = |code| {
            let status = kube::core::Status { code, ..kube::core::Status::default() };
            gone_is_done(Err(kube::Error::Api(Box::new(status))))
        };
        assert!(answer(404).is_ok() && answer(409).is_ok());
        assert!(answer(500).is_err());
    }

    #[test]
    fn a_pod_without_an_address_is_left_alone() {
        let fresh = pod(json!({"metadata": {"uid": "u"}, "status": {"phase": "Pending"}}));
        assert_eq!(forgotten(&fresh, Timestamp::UNIX_EPOCH), None);
    }
}

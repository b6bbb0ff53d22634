//! Readers of Pods.
//!
//! Upstream: `k8s.io/kubernetes/pkg/api/v1/pod` (podutils), `pkg/controller/controller_utils.go`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod, PodCondition,
};

use crate::condition::{self, Condition as _};
use crate::{keys, object};

/// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`; empty before the first status.
#[must_use]
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Whether its containers ended for good. Upstream: `podutils.IsPodTerminal`.
#[must_use]
pub fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether it neither ended nor is being deleted. Upstream: `controller.IsPodActive`.
#[must_use]
pub fn is_active(pod: &Pod) -> bool {
    !has_ended(pod) && !object::is_terminating(&pod.metadata)
}

/// The node that it is bound to.
#[must_use]
pub fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}

/// Its address, once it has one. Containers in the host's network, or behind a virtual machine's, are
/// not reached at it.
#[must_use]
pub fn ip(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())
}

#[must_use]
pub fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    condition::find(pod.status.iter().flat_map(|status| status.conditions.iter().flatten()), type_)
}

/// Whether its condition Ready is True. Upstream: `podutils.IsPodReady`.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, condition::READY).is_some_and(|ready| ready.status == condition::TRUE)
}

/// Since when it is Ready, if it is; since its creation if the condition has no time.
#[must_use]
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let ready = condition(pod, condition::READY)?;
    let since = || ready.since().or_else(|| created(pod)).unwrap_or(Timestamp::MIN);
    (ready.status == condition::TRUE).then(since)
}

#[must_use]
pub fn created(pod: &Pod) -> Option<Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

/// The statuses of its containers; not of its init containers.
pub fn container_statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten())
}

pub fn init_container_statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.init_container_statuses.iter().flatten())
}

/// How often the container that was restarted most was restarted.
/// Upstream: `controller.maxContainerRestarts`.
#[must_use]
pub fn restarts(pod: &Pod) -> i32 {
    container_statuses(pod).map(|status| status.restart_count).max().unwrap_or(0)
}

/// The deletion cost: of pods that are otherwise equal, the one with the lower cost is deleted
/// first; 0 if unset. Upstream: `helper.GetDeletionCostFromPodAnnotations`.
#[must_use]
pub fn deletion_cost(pod: &Pod) -> i32 {
    let cost = object::annotation(&pod.metadata, keys::POD_DELETION_COST);
    cost.and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

/// Why the container does not run yet, or not again yet.
#[must_use]
pub fn waiting(status: &ContainerStatus) -> Option<&ContainerStateWaiting> {
    status.state.as_ref()?.waiting.as_ref()
}

#[must_use]
pub fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// How the container ended last: this run, or else the one before it.
#[must_use]
pub fn last_end(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let states = [&status.state, &status.last_state];
    states.into_iter().find_map(|state| state.as_ref()?.terminated.as_ref())
}

#[cfg(test)]
mod tests;

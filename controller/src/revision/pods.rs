//! Reasons why a Revision does not serve, from its pods' statuses.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use rouse_api::keys;
use rouse_api::revision::{CONTAINER_HEALTHY, RESOURCES_AVAILABLE};
use rouse_k8s::condition::{FALSE, READY};
use rouse_k8s::{object, pod};

/// Waiting reasons that persist until the user acts. `ErrImagePull`
/// is not among them, since it comes before the first retry.
const PERSISTENT: [&str; 6] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// The reason of a pod's Ready condition by which Rouse's node agent reports a program that does
/// not listen on `PORT`.
const PORT_IGNORED: &str = "PortIgnored";

/// The reason of a termination that the kubelet did not observe.
const END_UNSEEN: &str = "ContainerStatusUnknown";

/// One reason why a Revision has no ready pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The Revision's condition that it makes False.
    pub(super) condition: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
}

/// Pods that are neither terminating nor draining.
pub(super) fn alive(pods: &[Arc<Pod>]) -> impl Iterator<Item = &Pod> {
    pods.iter().map(|pod| &**pod).filter(|pod| {
        let draining = object::annotation(&pod.metadata, keys::DRAINING).is_some();
        !object::is_terminating(&pod.metadata) && !draining
    })
}

/// Whether every container runs, for the first time.
pub(super) fn runs_untroubled(pod: &Pod) -> bool {
    let mut statuses = containers(pod).peekable();
    statuses.peek().is_some()
        && statuses.all(|status| pod::is_running(status) && pod::last_end(status).is_none())
}

/// What counts as trouble, besides what does in any case.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// A pod that finds no node may find one: nodes are made for it.
    pub(super) always_schedulable: bool,
    /// The progress deadline is over: whatever a container waits for is the reason.
    pub(super) deadline_exceeded: bool,
}

/// The first trouble that any living pod has.
pub(super) fn trouble(pods: &[Arc<Pod>], rules: Rules) -> Option<Trouble> {
    let Rules { always_schedulable, deadline_exceeded } = rules;
    alive(pods).find_map(|pod| {
        let unschedulable = || if always_schedulable { None } else { unschedulable(pod) };
        let waiting = |status| waiting(status, deadline_exceeded);
        unschedulable()
            .or_else(|| containers(pod).find_map(exited))
            .or_else(|| containers(pod).find_map(waiting).or_else(|| ignores_port(pod)))
    })
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let init = pod::init_container_statuses(pod).filter(|status| !status.ready);
    init.chain(pod::container_statuses(pod))
}

fn unschedulable(pod: &Pod) -> Option<Trouble> {
    let condition = pod::condition(pod, "PodScheduled").filter(|c| c.status == FALSE)?;
    Some(Trouble {
        condition: RESOURCES_AVAILABLE,
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
    })
}

fn exited(status: &ContainerStatus) -> Option<Trouble> {
    // A container that ended with its node agent, or unobserved by it, did not fail by itself.
    let end = pod::last_end(status).filter(|end| end.reason.as_deref() != Some(END_UNSEEN))?;
    let message = match end.message.as_deref().map(str::trim) {
        Some(message) if !message.is_empty() => format!("Container failed with: {message}"),
        Some(_) | None if end.exit_code == 0 => "container exited with no error".to_owned(),
        Some(_) | None => {
            let reason = end.reason.as_deref().unwrap_or("Error");
            format!("Container failed with: {reason}")
        }
    };
    Some(Trouble {
        condition: CONTAINER_HEALTHY,
        reason: format!("ExitCode{}", end.exit_code),
        message,
    })
}

fn waiting(status: &ContainerStatus, deadline_exceeded: bool) -> Option<Trouble> {
    let waiting = pod::waiting(status)?;
    let counts = |reason: &&str| deadline_exceeded || PERSISTENT.contains(reason);
    let reason = waiting.reason.as_deref().filter(counts)?;
    Some(Trouble {
        condition: RESOURCES_AVAILABLE,
        reason: reason.to_owned(),
        message: waiting.message.clone().unwrap_or_default(),
    })
}

/// A program that runs but does not listen on its port.
fn ignores_port(pod: &Pod) -> Option<Trouble> {
    let ready = pod::condition(pod, READY);
    let condition = ready.filter(|ready| ready.reason.as_deref() == Some(PORT_IGNORED))?;
    Some(Trouble {
        condition: CONTAINER_HEALTHY,
        reason: PORT_IGNORED.to_owned(),
        message: condition.message.clone().unwrap_or_default(),
    })
}

//! Which runs of which containers of a pod have a log to read. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use rouse_k8s::condition::FALSE;
use rouse_k8s::{object, pod};

/// One run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) pod: String,
    pub(super) container: String,
    /// The run before the present one.
    pub(super) previous: bool,
    pub(super) restarts: i32,
    /// The container writes no more: it has ended, or waits to be started again.
    pub(super) ended: bool,
}

impl Source {
    /// Of a pod that is gone.
    pub(super) fn of_last(pod: &str, container: &str) -> Self {
        let (pod, container) = (pod.to_owned(), container.to_owned());
        Self { pod, container, previous: false, restarts: 0, ended: true }
    }
}

/// The runs to read of a pod: of `container` alone, or of all; `previous` asks for the run before.
///
/// Of a container that waits to be started again, the log is that of the run that crashed. Init
/// containers are read when they are named, or while nothing else has started.
pub(super) fn sources(pod: &Pod, container: Option<&str>, previous: bool) -> Vec<Source> {
    let of = |status: &ContainerStatus| {
        is_readable(status, previous).then(|| Source {
            pod: object::name(&pod.metadata).to_owned(),
            container: status.name.clone(),
            previous,
            restarts: status.restart_count,
            ended: !pod::is_running(status),
        })
    };
    let is_wanted = |status: &&ContainerStatus| container.is_none_or(|name| name == status.name);
    let found: Vec<Source> =
        pod::container_statuses(pod).filter(is_wanted).filter_map(of).collect();
    if !found.is_empty() {
        return found;
    }
    pod::init_container_statuses(pod).filter(is_wanted).filter_map(of).collect()
}

fn is_readable(status: &ContainerStatus, previous: bool) -> bool {
    if previous {
        return status.last_state.as_ref().is_some_and(|state| state.terminated.is_some());
    }
    pod::is_running(status) || pod::last_end(status).is_some()
}

/// Why a pod has no log; `None` if it has one.
pub(super) fn not_started(pod: &Pod) -> Option<String> {
    if !sources(pod, None, false).is_empty() {
        return None;
    }
    let unscheduled = || {
        let scheduled = pod::condition(pod, "PodScheduled").filter(|c| c.status == FALSE)?;
        scheduled.message.clone()
    };
    let waits = || {
        let mut all = pod::container_statuses(pod).chain(pod::init_container_statuses(pod));
        let waiting = all.find_map(pod::waiting)?;
        let reason = waiting.reason.clone().unwrap_or_default();
        Some(match &waiting.message {
            Some(message) => format!("{reason}: {message}"),
            None => reason,
        })
    };
    let phase = Some(pod::phase(pod)).filter(|phase| !phase.is_empty()).unwrap_or("Pending");
    Some(unscheduled().or_else(waits).unwrap_or_else(|| phase.to_owned()))
}

/// The names of a pod's containers, init containers last.
pub(super) fn containers(pod: &Pod) -> Vec<&str> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let init = spec.init_containers.iter().flatten();
    spec.containers.iter().chain(init).map(|container| container.name.as_str()).collect()
}

#[cfg(test)]
mod tests;

//! Which runs of which containers of a pod have a log to read. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

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
    let Some(status) = &pod.status else { return Vec::new() };
    let name = pod.metadata.name.clone().unwrap_or_default();
    let of = |status: &ContainerStatus| {
        is_readable(status, previous).then(|| Source {
            pod: name.clone(),
            container: status.name.clone(),
            previous,
            restarts: status.restart_count,
            ended: status.state.as_ref().is_none_or(|state| state.running.is_none()),
        })
    };
    let is_wanted = |status: &&ContainerStatus| container.is_none_or(|name| name == status.name);
    let statuses = status.container_statuses.iter().flatten();
    let found: Vec<Source> = statuses.filter(is_wanted).filter_map(of).collect();
    if !found.is_empty() {
        return found;
    }
    let init = status.init_container_statuses.iter().flatten();
    init.filter(is_wanted).filter_map(of).collect()
}

fn is_readable(status: &ContainerStatus, previous: bool) -> bool {
    let ran_before = status.last_state.as_ref().is_some_and(|state| state.terminated.is_some());
    let has_run = status
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some() || state.terminated.is_some());
    ran_before || (has_run && !previous)
}

/// Why a pod has no log; `None` if it has one.
pub(super) fn not_started(pod: &Pod) -> Option<String> {
    if !sources(pod, None, false).is_empty() {
        return None;
    }
    let status = pod.status.as_ref();
    let waiting = status.and_then(|status| {
        let all = status.container_statuses.iter().flatten();
        let mut all = all.chain(status.init_container_statuses.iter().flatten());
        all.find_map(|status| status.state.as_ref()?.waiting.clone())
    });
    let unscheduled = || {
        let conditions = status?.conditions.as_ref()?;
        let scheduled =
            conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        scheduled.message.clone()
    };
    let said = waiting.map(|waiting| {
        let reason = waiting.reason.unwrap_or_default();
        match waiting.message {
            Some(message) => format!("{reason}: {message}"),
            None => reason,
        }
    });
    let phase = || status.and_then(|status| status.phase.clone());
    Some(unscheduled().or(said).or_else(phase).unwrap_or_else(|| "Pending".to_owned()))
}

/// The names of a pod's containers, init containers last.
pub(super) fn containers(pod: &Pod) -> Vec<&str> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let init = spec.init_containers.iter().flatten();
    spec.containers.iter().chain(init).map(|container| container.name.as_str()).collect()
}

#[cfg(test)]
mod tests;

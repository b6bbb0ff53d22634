//! The status of a pod, derived whole from its state.
//!
//! Upstream: pkg/kubelet/kubelet_pods.go (`getPhase`), pkg/kubelet/status/generate.go.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, HostIP, Pod,
    PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::container::{Container, Role, Run};
use super::state::PodState;

/// The present status; `host_ip` is the node's address.
pub(crate) fn status(state: &PodState, host_ip: IpAddr) -> PodStatus {
    let before = state.pod.status.clone().unwrap_or_default();
    let host_ip = host_ip.to_string();
    let ip = state.ip.map(|ip| ip.to_string()).or(before.pod_ip);
    PodStatus {
        phase: Some(state.phase().to_owned()),
        conditions: Some(conditions(state, before.conditions.unwrap_or_default())),
        host_ip: Some(host_ip.clone()),
        host_ips: Some(vec![HostIP { ip: host_ip }]),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        start_time: Some(Time(state.started_at)),
        qos_class: before.qos_class.or_else(|| Some(qos_class(&state.pod).to_owned())),
        init_container_statuses: statuses(state, true),
        container_statuses: statuses(state, false),
        ..PodStatus::default()
    }
}

fn conditions(state: &PodState, before: Vec<PodCondition>) -> Vec<PodCondition> {
    let ours = state.facts();
    let theirs = before.into_iter().filter(|c| ours.iter().all(|now| now.kind != c.type_));
    let mut conditions: Vec<PodCondition> = theirs.collect();
    conditions.extend(ours.into_iter().map(|now| PodCondition {
        type_: now.kind.to_owned(),
        status: if now.holds { "True" } else { "False" }.to_owned(),
        reason: now.reason.map(str::to_owned),
        message: now.message,
        last_transition_time: state.conditions.get(now.kind).map(|(_, at)| Time(*at)),
        observed_generation: state.pod.metadata.generation,
        ..PodCondition::default()
    }));
    conditions
}

fn statuses(state: &PodState, init: bool) -> Option<Vec<ContainerStatus>> {
    let initialized = state.initialized();
    let some: Vec<ContainerStatus> = state
        .containers
        .iter()
        .filter(|container| container.role.is_init_list() == init)
        .map(|container| container_status(container, initialized))
        .collect();
    (!some.is_empty()).then_some(some)
}

fn container_status(container: &Container, initialized: bool) -> ContainerStatus {
    let waiting = |reason: &str, message: Option<&String>| ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message: message.cloned(),
        }),
        ..ContainerState::default()
    };
    let state = match &container.run {
        Run::Waiting { reason: "ContainerCreating", message, .. } if !initialized => {
            waiting("PodInitializing", message.as_ref())
        }
        Run::Waiting { reason, message, .. } => waiting(reason, message.as_ref()),
        Run::Launching | Run::Pulling => waiting("ContainerCreating", None),
        Run::Running { since, .. } => ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(Time(*since)) }),
            ..ContainerState::default()
        },
        Run::Ended(ended) => {
            ContainerState { terminated: Some((**ended).clone()), ..ContainerState::default() }
        }
    };
    let done = container.role == Role::Init && container.has_succeeded();
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        image_id: container.image_id.clone(),
        container_id: container.id.clone(),
        ready: container.ready || done,
        started: Some(container.started),
        restart_count: container.restarts,
        last_state: container.last.as_ref().map(|last| ContainerState {
            terminated: Some((**last).clone()),
            ..ContainerState::default()
        }),
        state: Some(state),
        ..ContainerStatus::default()
    }
}

/// Guaranteed, Burstable or BestEffort by the resources that the containers ask for.
pub(super) fn qos_class(pod: &Pod) -> &'static str {
    let Some(spec) = pod.spec.as_ref() else { return "BestEffort" };
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let (mut any, mut guaranteed) = (false, true);
    for container in all {
        let resources = container.resources.clone().unwrap_or_default();
        let limits = resources.limits.unwrap_or_default();
        let requests = resources.requests.unwrap_or_default();
        for name in ["cpu", "memory"] {
            let limit: Option<&Quantity> = limits.get(name);
            let request = requests.get(name).or(limit);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

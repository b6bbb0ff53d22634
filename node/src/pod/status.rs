//! The status of a pod, derived whole from its state.
//!
//! Upstream: pkg/kubelet/kubelet_pods.go (`getPhase`), pkg/kubelet/status/generate.go.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, HostIP,
    PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::container::time;
use super::{Container, PodState, Run};

/// One condition as it is now; when it changed is in `PodState::conditions`.
struct Now {
    kind: &'static str,
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl PodState {
    pub(crate) fn status(&self, host_ip: IpAddr) -> PodStatus {
        let before = self.pod.status.clone().unwrap_or_default();
        let host_ip = host_ip.to_string();
        let ip = self.ip.map(|ip| ip.to_string()).or(before.pod_ip);
        PodStatus {
            phase: Some(self.phase().to_owned()),
            conditions: Some(self.conditions_now(before.conditions.unwrap_or_default())),
            host_ip: Some(host_ip.clone()),
            host_ips: Some(vec![HostIP { ip: host_ip }]),
            pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
            pod_ip: ip,
            start_time: Some(time(self.started_at)),
            qos_class: before.qos_class.or_else(|| Some(qos_class(&self.pod).to_owned())),
            init_container_statuses: self.statuses(true),
            container_statuses: self.statuses(false),
            ..PodStatus::default()
        }
    }

    pub(crate) fn phase(&self) -> &'static str {
        let restarts = self.restart_policy();
        let inits = self.containers.iter().filter(|container| container.init);
        for init in inits {
            match &init.run {
                Run::Ended(ended) if ended.exit_code != 0 => return "Failed",
                Run::Ended(_) => {}
                Run::Waiting { .. } | Run::Launching | Run::Pulling | Run::Running { .. } => {
                    return "Pending";
                }
            }
        }
        let apps: Vec<&Container> = self.containers.iter().filter(|c| !c.init).collect();
        let never_ran = |c: &Container| {
            !matches!(c.run, Run::Running { .. } | Run::Ended(_)) && c.last.is_none()
        };
        if apps.iter().any(|container| never_ran(container)) {
            return "Pending";
        }
        let ended: Vec<i32> = apps
            .iter()
            .filter_map(|container| match &container.run {
                Run::Ended(ended) => Some(ended.exit_code),
                Run::Waiting { .. } | Run::Launching | Run::Pulling | Run::Running { .. } => None,
            })
            .collect();
        if ended.len() < apps.len() {
            return "Running";
        }
        // All ended. With `Always` that is only so while the pod is being taken away.
        match (restarts, ended.iter().all(|code| *code == 0)) {
            ("Always", _) if self.ending.is_none() => "Running",
            (_, true) => "Succeeded",
            (_, false) => "Failed",
        }
    }

    fn conditions_now(&self, before: Vec<PodCondition>) -> Vec<PodCondition> {
        let ours = self.facts();
        let theirs = before.into_iter().filter(|c| ours.iter().all(|now| now.kind != c.type_));
        let mut conditions: Vec<PodCondition> = theirs.collect();
        conditions.extend(ours.into_iter().map(|now| PodCondition {
            type_: now.kind.to_owned(),
            status: if now.holds { "True" } else { "False" }.to_owned(),
            reason: now.reason.map(str::to_owned),
            message: now.message,
            last_transition_time: self.conditions.get(now.kind).map(|(_, at)| time(*at)),
            observed_generation: self.pod.metadata.generation,
            ..PodCondition::default()
        }));
        conditions
    }

    /// Remembers when a condition changed.
    pub(super) fn follow_conditions(&mut self, now: Timestamp) {
        for fact in self.facts() {
            match self.conditions.get(fact.kind) {
                Some((held, _)) if *held == fact.holds => {}
                Some(_) | None => {
                    self.conditions.insert(fact.kind.to_owned(), (fact.holds, now));
                }
            }
        }
    }

    fn facts(&self) -> Vec<Now> {
        let all_started = self.ip.is_some();
        let mut facts = vec![Now {
            kind: "PodReadyToStartContainers",
            holds: all_started,
            reason: None,
            message: None,
        }];
        let pending: Vec<&str> = self.names(|c| c.init && !c.has_succeeded());
        facts.push(Now {
            kind: "Initialized",
            holds: pending.is_empty(),
            reason: (!pending.is_empty()).then_some("ContainersNotInitialized"),
            message: (!pending.is_empty())
                .then(|| format!("containers with incomplete status: [{}]", pending.join(" "))),
        });
        let (reason, message) = self.why_not_ready();
        let containers = reason.is_none();
        facts.push(Now {
            kind: "ContainersReady",
            holds: containers,
            reason,
            message: message.clone(),
        });
        let gate = self.missing_gate();
        facts.push(Now {
            kind: "Ready",
            holds: containers && gate.is_none(),
            reason: reason.or_else(|| gate.as_ref().map(|_| "ReadinessGatesNotReady")),
            message: message.or(gate),
        });
        facts.push(Now { kind: "PodScheduled", holds: true, reason: None, message: None });
        facts
    }

    fn why_not_ready(&self) -> (Option<&'static str>, Option<String>) {
        match self.phase() {
            "Succeeded" => return (Some("PodCompleted"), None),
            "Failed" => return (Some("PodFailed"), None),
            _ => {}
        }
        let unready = self.names(|c| !c.init && !c.ready);
        if unready.is_empty() {
            return (None, None);
        }
        let mut message = format!("containers with unready status: [{}]", unready.join(" "));
        let complaints: Vec<&str> =
            self.containers.iter().filter_map(|c| c.complaint.as_deref()).collect();
        if complaints.is_empty() {
            return (Some("ContainersNotReady"), Some(message));
        }
        message.push_str(": ");
        message.push_str(&complaints.join("; "));
        (Some("PortIgnored"), Some(message))
    }

    fn names(&self, which: impl Fn(&Container) -> bool) -> Vec<&str> {
        self.containers.iter().filter(|c| which(c)).map(|c| c.name.as_str()).collect()
    }

    /// A readiness gate that does not hold, as a message.
    fn missing_gate(&self) -> Option<String> {
        let gates = self.pod.spec.as_ref()?.readiness_gates.as_ref()?;
        let held: BTreeMap<&str, &str> = self
            .pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .map(|condition| (condition.type_.as_str(), condition.status.as_str()))
            .collect();
        gates.iter().find_map(|gate| {
            let kind = gate.condition_type.as_str();
            match held.get(kind) {
                Some(&"True") => None,
                Some(_) => Some(format!(
                    "the status of pod readiness gate {kind:?} is not \"True\", but False"
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate {kind:?} does not exist."
                )),
            }
        })
    }

    fn statuses(&self, init: bool) -> Option<Vec<ContainerStatus>> {
        let initialized = self.initialized();
        let some: Vec<ContainerStatus> = self
            .containers
            .iter()
            .filter(|container| container.init == init)
            .map(|container| container_status(container, initialized))
            .collect();
        (!some.is_empty()).then_some(some)
    }
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
            running: Some(ContainerStateRunning { started_at: Some(time(*since)) }),
            ..ContainerState::default()
        },
        Run::Ended(ended) => {
            ContainerState { terminated: Some((**ended).clone()), ..ContainerState::default() }
        }
    };
    let done = container.init && container.has_succeeded();
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
pub(crate) fn qos_class(pod: &k8s_openapi::api::core::v1::Pod) -> &'static str {
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

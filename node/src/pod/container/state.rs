//! A container's state, at first and as an earlier agent left it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container as Spec, ContainerStateTerminated, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_k8s::Backoff;
use rouse_k8s::pod::has_ended;

use super::crash::{BACKOFF, CrashBackoff};
use crate::pod::context::restart_policy;
use crate::pod::event::{Effect, Index};

/// Exit code of a container whose end was not observed, as the kubelet reports it.
const UNOBSERVED_EXIT_CODE: i32 = 137;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Run {
    /// Not running. Started at `until` (steady time), or as soon as the pod may.
    Waiting {
        reason: &'static str,
        message: Option<String>,
        until: Option<Timestamp>,
    },
    Launching,
    Pulling,
    Running {
        id: String,
        /// Wall time.
        since: Timestamp,
        /// Steady time.
        kill_at: Option<Timestamp>,
    },
    Ended(Box<ContainerStateTerminated>),
}

impl Run {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Waiting { reason, .. } => reason,
            Self::Launching => "launching",
            Self::Pulling => "pulling",
            Self::Running { .. } => "running",
            Self::Ended(_) => "ended",
        }
    }
}

/// A container's place in the life of its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its end before what follows it in the spec.
    Init,
    /// An init container that is always restarted: it runs beside the others, and what follows it
    /// waits until it has started.
    Sidecar,
    App,
}

impl Role {
    /// Whether it is among the spec's `initContainers`.
    pub(crate) fn is_init_list(self) -> bool {
        self != Self::App
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) role: Role,
    pub(crate) run: Run,
    pub(crate) restarts: i32,
    pub(crate) last: Option<Box<ContainerStateTerminated>>,
    pub(crate) id: Option<String>,
    pub(crate) image_id: String,
    /// The startup probe passed, or there is none.
    pub(crate) started: bool,
    pub(crate) ready: bool,
    /// It has been started once: what waits for this sidecar may go on.
    pub(in crate::pod) passed: bool,
    /// SIGTERM was sent to it because its pod ends.
    pub(in crate::pod) signalled: bool,
    /// It runs, and no probe has decided yet whether it is ready.
    pub(crate) fresh: bool,
    /// Why it cannot serve though it runs.
    pub(crate) complaint: Option<String>,
    /// Its settings that the runtime does not enforce, a sentence each.
    pub(in crate::pod) not_enforced: Vec<String>,
    /// An image was pulled for this start, so `Pulled` was already said.
    pub(super) pulled: bool,
    /// It ended, so its next launch counts as a restart.
    pub(super) restart_due: bool,
    pub(super) probes: Probes,
    /// There is nothing to probe: its script says when it is ready.
    pub(super) scripted: bool,
    pub(super) crash: CrashBackoff,
    pub(super) pull: Backoff,
}

/// Which probes the spec has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probes {
    pub(super) startup: bool,
    pub(super) readiness: bool,
    pub(super) liveness: bool,
}

/// All containers of a pod. One that ran under an earlier agent ended with it.
pub(in crate::pod) fn of_pod(pod: &Pod, now: Timestamp) -> Vec<Container> {
    let Some(spec) = pod.spec.as_ref() else { return Vec::new() };
    let role = |spec: &Spec| match spec.restart_policy.as_deref() {
        Some("Always") => Role::Sidecar,
        _ => Role::Init,
    };
    let init = spec.init_containers.iter().flatten().map(|spec| (spec, role(spec)));
    let apps = spec.containers.iter().map(|spec| (spec, Role::App));
    init.chain(apps).map(|(spec, role)| taken_over(pod, spec, role, now)).collect()
}

fn taken_over(pod: &Pod, spec: &Spec, role: Role, now: Timestamp) -> Container {
    let mut container = Container::new(spec, role);
    let status = pod.status.as_ref();
    let statuses = status.and_then(|status| match role.is_init_list() {
        true => status.init_container_statuses.as_ref(),
        false => status.container_statuses.as_ref(),
    });
    let Some(before) = statuses.into_iter().flatten().find(|s| s.name == spec.name) else {
        return container;
    };
    container.restarts = before.restart_count;
    container.last = before.last_state.as_ref().and_then(|s| s.terminated.clone()).map(Box::new);
    let Some(state) = &before.state else { return container };
    let unseen = state.running.as_ref().map(|running| ContainerStateTerminated {
        exit_code: UNOBSERVED_EXIT_CODE,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some("the container ended with the node agent that had started it".to_owned()),
        started_at: running.started_at.clone(),
        finished_at: Some(Time(now)),
        container_id: before.container_id.clone(),
        ..ContainerStateTerminated::default()
    });
    if let Some(ended) = unseen.as_ref().or(state.terminated.as_ref()) {
        // The files that an init container prepared may have gone with the earlier run.
        let again = role == Role::Init && !has_ended(pod);
        if again || restarts_after(restart_policy(pod), role, ended.exit_code) {
            container.last = Some(Box::new(ended.clone()));
            container.restarts = container.restarts.saturating_add(1);
        } else {
            container.run = Run::Ended(Box::new(ended.clone()));
        }
    }
    container
}

pub(super) fn restarts_after(policy: &str, role: Role, exit_code: i32) -> bool {
    match (role, policy) {
        (Role::Sidecar, _) => true,
        (_, "Never") => false,
        (_, "OnFailure") => exit_code != 0,
        // Always; an init container that succeeded is not run again.
        (Role::Init, _) => exit_code != 0,
        (Role::App, _) => true,
    }
}

impl Container {
    fn new(spec: &Spec, role: Role) -> Self {
        let probed = role != Role::Init;
        Self {
            name: spec.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            role,
            run: Run::Waiting { reason: waiting_word(role), message: None, until: None },
            restarts: 0,
            last: None,
            id: None,
            image_id: String::new(),
            started: false,
            ready: false,
            passed: false,
            signalled: false,
            fresh: false,
            complaint: None,
            not_enforced: Vec::new(),
            pulled: false,
            restart_due: false,
            probes: Probes {
                startup: spec.startup_probe.is_some() && probed,
                readiness: spec.readiness_probe.is_some() && probed,
                liveness: spec.liveness_probe.is_some() && probed,
            },
            scripted: false,
            crash: CrashBackoff::default(),
            pull: BACKOFF,
        }
    }

    pub(in crate::pod) fn has_succeeded(&self) -> bool {
        matches!(&self.run, Run::Ended(ended) if ended.exit_code == 0)
    }

    /// Whether the containers that follow in the spec wait for this one.
    pub(in crate::pod) fn holds_back(&self) -> bool {
        match self.role {
            Role::Init => !self.has_succeeded(),
            Role::Sidecar => !self.passed,
            Role::App => false,
        }
    }

    pub(in crate::pod) fn is_up(&self) -> bool {
        matches!(self.run, Run::Launching | Run::Running { .. })
    }

    pub(in crate::pod) fn launch(&mut self, at: Index, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.restart_due) {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.run = Run::Launching;
        effects.push(Effect::Launch(at));
    }

    pub(in crate::pod) fn forget_kill(&mut self) {
        if let Run::Running { kill_at, .. } = &mut self.run {
            *kill_at = None;
        }
    }

    pub(super) fn wait(&mut self, reason: &'static str, message: Option<String>, until: Timestamp) {
        self.run = Run::Waiting { reason, message, until: Some(until) };
    }
}

/// The waiting reason of a container that was not launched yet.
fn waiting_word(role: Role) -> &'static str {
    if role.is_init_list() { "PodInitializing" } else { "ContainerCreating" }
}

//! The state of a pod: its containers, its addresses, its end.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use rouse_k8s::condition::READY;
use rouse_k8s::pod::has_ended;
use rouse_kit::Moment;

use super::container::{Container, Role, Run, of_pod};
use super::context::{Context, restart_policy};
use super::ending::Ending;
use super::event::Index;

pub(crate) struct PodState {
    pub(crate) pod: Arc<Pod>,
    pub(crate) containers: Vec<Container>,
    pub(crate) started_at: Timestamp,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) addresses: BTreeMap<u16, SocketAddr>,
    pub(super) ending: Option<Ending>,
    /// The pod had ended before this agent took it over; it is left alone.
    pub(crate) done: bool,
    /// When each condition last changed, by type.
    pub(super) conditions: BTreeMap<String, (bool, Timestamp)>,
}

impl PodState {
    /// Takes over a pod, with the status that an earlier agent wrote. `now` is wall time.
    pub(crate) fn new(pod: Arc<Pod>, now: Timestamp) -> Self {
        let status = pod.status.as_ref();
        let started = status.and_then(|status| status.start_time.as_ref());
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let conditions = conditions.into_iter().flatten().filter_map(|condition| {
            let since = condition.last_transition_time.as_ref()?.0;
            Some((condition.type_.clone(), (condition.status == "True", since)))
        });
        Self {
            containers: of_pod(&pod, now),
            started_at: started.map_or(now, |time| time.0),
            ip: None,
            addresses: BTreeMap::new(),
            ending: None,
            done: has_ended(&pod),
            conditions: conditions.collect(),
            pod,
        }
    }

    pub(super) fn context<'a>(&self, pod: &'a Pod, at: Index, now: Moment) -> Context<'a> {
        let ending = self.ending.map(|ending| ending.stage);
        Context { at, now, pod, ending, over: self.work_is_over() }
    }

    /// Containers that may run now: up to the first of the init containers that the next ones wait
    /// for, else all that are not done.
    pub(super) fn due(&self) -> Vec<Index> {
        let mut due = Vec::new();
        for (at, container) in self.containers.iter().enumerate() {
            match container.role {
                Role::Init if container.has_succeeded() => continue,
                Role::Init | Role::Sidecar | Role::App => due.push(at),
            }
            if container.holds_back() {
                break;
            }
        }
        due
    }

    /// Every app container has ended for good.
    pub(super) fn work_is_over(&self) -> bool {
        let mut apps = self.containers.iter().filter(|container| container.role == Role::App);
        apps.all(|container| matches!(container.run, Run::Ended(_)))
    }

    pub(super) fn initialized(&self) -> bool {
        !self.containers.iter().any(Container::holds_back)
    }

    /// Whether a container is between its launch and its first passed probe, so that the status can
    /// wait. A running container without reserved addresses does not count: clients find the IP of
    /// its pod only in the status.
    pub(crate) fn is_starting(&self) -> bool {
        self.ending.is_none()
            && self.containers.iter().any(|container| match container.run {
                Run::Launching => true,
                Run::Running { .. } => container.fresh && !self.addresses.is_empty(),
                Run::Waiting { .. } | Run::Pulling | Run::Ended(_) => false,
            })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.conditions.get(READY).is_some_and(|(holds, _)| *holds)
    }

    /// The stage of the pod's end, if it has begun.
    pub(crate) fn ending_stage(&self) -> Option<&'static str> {
        self.ending.map(|ending| ending.stage.word())
    }

    /// The steady time of the next `Tick`, if nothing else happens.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        if let Some(ending) = self.ending {
            return ending.due();
        }
        let due = self.due().into_iter();
        due.filter_map(|at| match &self.containers[at].run {
            Run::Waiting { until, .. } => *until,
            Run::Running { kill_at, .. } => *kill_at,
            Run::Launching | Run::Pulling | Run::Ended(_) => None,
        })
        .min()
    }

    pub(crate) fn phase(&self) -> &'static str {
        let restarts = restart_policy(&self.pod);
        if let Some(first) = self.containers.iter().find(|container| container.holds_back()) {
            return match &first.run {
                Run::Ended(_) if first.role == Role::Init => "Failed",
                Run::Waiting { .. }
                | Run::Launching
                | Run::Pulling
                | Run::Running { .. }
                | Run::Ended(_) => "Pending",
            };
        }
        let apps: Vec<&Container> =
            self.containers.iter().filter(|c| c.role == Role::App).collect();
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
        let is_sidecar = |c: &&Container| c.role == Role::Sidecar;
        let sidecars_run = self.containers.iter().filter(is_sidecar).any(Container::is_up);
        if ended.len() < apps.len() || sidecars_run {
            return "Running";
        }
        // All ended. With `Always` they stay so only while the pod ends.
        match (restarts, ended.iter().all(|code| *code == 0)) {
            ("Always", _) if self.ending.is_none() => "Running",
            (_, true) => "Succeeded",
            (_, false) => "Failed",
        }
    }
}

//! One pod as a state machine: what happened in, what to do out.
//!
//! ```text
//!            launch            started               exited
//! Waiting ──────────> Launching ──────> Running ──────────────> Ended ──┐
//!    ^  └─ no image ─> Pulling ─┘          └ liveness ─> Term, Kill     │
//!    └──────────────── back-off, by restart policy <────────────────────┘
//! ```
//!
//! Invariant: no IO and no clock. The status is derived from the state, never patched.
//! Upstream: pkg/kubelet/kuberuntime/kuberuntime_manager.go, pkg/kubelet/pod_workers.go.

mod container;
mod ending;
mod status;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::probe::{ProbeKind, Verdict};
use crate::runtime::{Exit, PodRef, Signal};

pub(crate) use container::{Container, Run, time};

/// Index of a container: init containers first, in the order of the spec.
pub(crate) type Index = usize;

/// How long a wrong configuration waits before it is looked at again. A watch of every ConfigMap
/// would be sooner; the kubelet takes up to a minute.
pub(crate) const CONFIG_RETRY: Duration = Duration::from_secs(2);

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The object was seen, anew or changed.
    Observed(Arc<Pod>),
    /// The object is no more: someone deleted it without grace.
    Gone,
    /// The platform ends: stop the containers, and leave the object for the next start.
    Halt,
    /// A time that `wake_at` named has come.
    Tick,
    ImageMissing(Index),
    Pulled {
        container: Index,
        took: Duration,
        size: u64,
    },
    PullFailed {
        container: Index,
        message: String,
    },
    /// Something in the spec cannot be resolved now: `reason` is the kubelet's word for it.
    Refused {
        container: Index,
        reason: &'static str,
        message: String,
    },
    Started {
        container: Index,
        run: Launched,
    },
    StartFailed {
        container: Index,
        message: String,
    },
    Exited {
        container: Index,
        exit: Exit,
    },
    Probed {
        container: Index,
        kind: ProbeKind,
        verdict: Verdict,
        message: String,
    },
    /// It listens, but not where it was told to.
    PortIgnored {
        container: Index,
        message: Option<String>,
    },
}

/// What a runtime said of a container that it started.
#[derive(Clone, Debug)]
pub(crate) struct Launched {
    pub(crate) id: String,
    pub(crate) image_id: String,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) addresses: BTreeMap<u16, SocketAddr>,
    pub(crate) not_enforced: Vec<String>,
    /// It says itself when it is ready, probe or none.
    pub(crate) scripted: bool,
}

/// What to do. Statuses are not among them: they are written whenever they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Resolve image and environment and start it.
    Launch(Index),
    Pull(Index),
    /// Start this kind of probe; those that run go on.
    Probe(Index, ProbeKind),
    StopProbes(Index),
    Signal(Index, Signal),
    /// Forget the ended container.
    Remove(String),
    Note(Note),
    /// All has ended: write the last status and delete the object.
    Finish,
    /// All has ended and the object stays or is gone: forget the pod.
    Forget,
}

/// An Event to record on the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) container: Option<Index>,
}

/// Why the pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Deleted,
    Gone,
    Halt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) why: Why,
    /// SIGTERM is sent then, when the `preStop` sleep is over.
    pub(crate) term_at: Timestamp,
    pub(crate) kill_at: Timestamp,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    PreStop,
    Terminating,
    Killed,
    Over,
}

pub(crate) struct PodState {
    pub(crate) pod: Arc<Pod>,
    pub(crate) containers: Vec<Container>,
    pub(crate) started_at: Timestamp,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) addresses: BTreeMap<u16, SocketAddr>,
    pub(crate) ending: Option<Ending>,
    /// A pod whose work was over before this agent saw it; it is left alone.
    pub(crate) done: bool,
    /// When each condition last changed, by type.
    pub(crate) conditions: BTreeMap<String, (bool, Timestamp)>,
}

impl PodState {
    /// Takes over a pod, with what an earlier agent wrote about it.
    pub(crate) fn new(pod: Arc<Pod>, now: Timestamp) -> Self {
        let status = pod.status.as_ref();
        let started = status.and_then(|status| status.start_time.as_ref());
        let phase = status.and_then(|status| status.phase.as_deref());
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let conditions = conditions.into_iter().flatten().filter_map(|condition| {
            let since = condition.last_transition_time.as_ref()?.0;
            Some((condition.type_.clone(), (condition.status == "True", since)))
        });
        Self {
            containers: container::of_pod(&pod, now),
            started_at: started.map_or(now, |time| time.0),
            ip: None,
            addresses: BTreeMap::new(),
            ending: None,
            done: matches!(phase, Some("Succeeded" | "Failed")),
            conditions: conditions.collect(),
            pod,
        }
    }

    pub(crate) fn reference(&self) -> PodRef {
        let meta = &self.pod.metadata;
        PodRef {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        }
    }

    pub(crate) fn restart_policy(&self) -> &str {
        let spec = self.pod.spec.as_ref();
        spec.and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
    }

    /// The one way in which a pod changes.
    pub(crate) fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Observed(pod) => self.observed(pod, now, &mut effects),
            Event::Gone => self.end(Why::Gone, Duration::ZERO, now, &mut effects),
            Event::Halt => {
                let grace = ending::HALT_GRACE.min(self.grace());
                self.end(Why::Halt, grace, now, &mut effects);
            }
            Event::Tick => {}
            Event::ImageMissing(at) => self.image_missing(at, now, &mut effects),
            Event::Pulled { container, took, size } => {
                self.pulled(container, took, size, &mut effects);
            }
            Event::PullFailed { container, message } => {
                self.pull_failed(container, &message, now, &mut effects);
            }
            Event::Refused { container, reason, message } => {
                self.refused(container, reason, message, now, &mut effects);
            }
            Event::Started { container, run } => self.started(container, run, now, &mut effects),
            Event::StartFailed { container, message } => {
                self.start_failed(container, message, now, &mut effects);
            }
            Event::Exited { container, exit } => self.exited(container, exit, now, &mut effects),
            Event::Probed { container, kind, verdict, message } => {
                self.probed(container, (kind, verdict), &message, now, &mut effects);
            }
            Event::PortIgnored { container, message } => {
                self.port_ignored(container, message, &mut effects);
            }
        }
        self.advance(now, &mut effects);
        self.follow_conditions(now);
        effects
    }

    fn observed(&mut self, pod: Arc<Pod>, now: Timestamp, effects: &mut Vec<Effect>) {
        self.pod = pod;
        if self.pod.metadata.deletion_timestamp.is_some() {
            let seconds = self.pod.metadata.deletion_grace_period_seconds.unwrap_or(30);
            let grace = Duration::from_secs(seconds.try_into().unwrap_or(0));
            self.end(Why::Deleted, grace, now, effects);
        }
    }

    /// Whatever is due by now, in any state.
    fn advance(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.ending.is_some() {
            self.advance_ending(now, effects);
            return;
        }
        if self.done {
            return;
        }
        for at in self.due() {
            let container = &mut self.containers[at];
            match &container.run {
                Run::Waiting { reason: "ErrImagePull", until: Some(until), .. }
                    if *until <= now =>
                {
                    container.back_off_pull(at, now, effects);
                }
                Run::Waiting { until, .. } if until.is_none_or(|until| until <= now) => {
                    container.launch(effects, at);
                }
                Run::Running { kill_at: Some(kill_at), .. } if *kill_at <= now => {
                    container.forget_kill();
                    effects.push(Effect::Signal(at, Signal::Kill));
                }
                Run::Waiting { .. }
                | Run::Launching
                | Run::Pulling
                | Run::Running { .. }
                | Run::Ended(_) => {}
            }
        }
    }

    /// Containers that may run now: the first unfinished init container, else all others.
    fn due(&self) -> Vec<Index> {
        let unfinished = self.containers.iter().position(|c| c.init && !c.has_succeeded());
        match unfinished {
            Some(at) => vec![at],
            None => (0..self.containers.len()).filter(|at| !self.containers[*at].init).collect(),
        }
    }

    pub(crate) fn initialized(&self) -> bool {
        self.containers.iter().all(|container| !container.init || container.has_succeeded())
    }

    /// Whether a container is on its way from its launch to its first passed probe, and nobody has
    /// to hear of what is between: a pod whose address is its IP is found by its status only.
    pub(crate) fn is_starting(&self) -> bool {
        self.ending.is_none()
            && self.containers.iter().any(|container| match container.run {
                Run::Launching => true,
                Run::Running { .. } => container.fresh && !self.addresses.is_empty(),
                Run::Waiting { .. } | Run::Pulling | Run::Ended(_) => false,
            })
    }

    /// When `Tick` is due, if nothing else happens.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        if let Some(ending) = self.ending {
            return match ending.stage {
                Stage::PreStop => Some(ending.term_at),
                Stage::Terminating => Some(ending.kill_at),
                Stage::Killed | Stage::Over => None,
            };
        }
        let due = self.due().into_iter();
        due.filter_map(|at| match &self.containers[at].run {
            Run::Waiting { until, .. } => *until,
            Run::Running { kill_at, .. } => *kill_at,
            Run::Launching | Run::Pulling | Run::Ended(_) => None,
        })
        .min()
    }
}

#[cfg(test)]
mod tests;

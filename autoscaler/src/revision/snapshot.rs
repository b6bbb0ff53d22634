//! A revision's scaling at one moment, for metrics and for the debug page.

use jiff::Timestamp;
use rouse_api::annotations::Metric;
use rouse_api::podautoscaler::ScaleChange;
use serde::Serialize;

use super::Revision;
use crate::decide::drain::Stage;
use crate::decide::explain;
use crate::decide::kpa::Mode;
use crate::decide::scale::{self, Active};

/// One revision's scaling.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub metric: &'static str,
    /// None before anything was measured.
    pub measured: Option<Measured>,
    pub target: f64,
    pub stable_window_seconds: u64,
    pub panic_window_seconds: u64,
    pub panicking: bool,
    /// What the load asks for; None before the first decision.
    pub desired: Option<u32>,
    /// `desired` within all bounds: what the scale should be.
    pub requested: Option<u32>,
    /// The replicas that the Deployment asks for; `None` while unknown.
    pub replicas: Option<u32>,
    pub pods: Pods,
    pub active: &'static str,
    pub active_since: Timestamp,
    /// The record that a change made now would get: the reason for `requested`.
    pub decision: Option<ScaleChange>,
    /// Waiting requests and requests in pods, by activator.
    pub load: Vec<ActivatorLoad>,
}

/// Averages of the last decision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    pub stable: f64,
    pub panic: f64,
}

/// Pods by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pods {
    pub ready: u32,
    /// Running, and not ready.
    pub not_ready: u32,
    /// Not running yet.
    pub pending: u32,
    /// Of all these, those marked as draining.
    pub draining: u32,
    /// Being deleted, and in none of the other counts.
    pub terminating: u32,
}

/// The requests of one activator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivatorLoad {
    pub activator: String,
    pub in_flight: u32,
    pub queued: u32,
}

impl Revision {
    /// The state of its scaling, for operators. `now` is wall time.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let decided = self.decided.as_ref();
        let want = decided.map(|decided| decided.want);
        let target = scale::resolve(&self.spec, want, self.activity, self.initialized, now);
        let decision = decided.zip(self.replicas).zip(target.want).map(|((decided, from), to)| {
            explain::change((from, to), &target, Some(decided), &self.spec, now)
        });
        Snapshot {
            metric: match self.spec.metric {
                Metric::Concurrency => "concurrency",
                Metric::Rps => "rps",
            },
            measured: decided
                .map(|decided| Measured { stable: decided.seen.stable, panic: decided.seen.panic }),
            target: self.spec.decider.target,
            stable_window_seconds: self.spec.stable_window().as_secs(),
            panic_window_seconds: self.spec.panic_window.as_secs(),
            panicking: matches!(self.mode, Some(Mode::Panic { .. })),
            desired: want,
            requested: target.want,
            replicas: self.replicas,
            pods: self.pod_counts(),
            active: match self.activity.state {
                Active::Activating => "Activating",
                Active::Active => "Active",
                Active::NoTraffic => "NoTraffic",
                Active::TimedOut => "TimedOut",
            },
            active_since: self.activity.since,
            decision,
            load: self
                .present
                .iter()
                .map(|(activator, present)| ActivatorLoad {
                    activator: activator.clone(),
                    in_flight: present.in_flight,
                    queued: present.queued,
                })
                .collect(),
        }
    }

    /// All changes of scale still known, newest first.
    pub fn changes(&self) -> impl Iterator<Item = &ScaleChange> {
        self.history.iter()
    }

    fn pod_counts(&self) -> Pods {
        let terminating = u32::try_from(self.terminating.len()).unwrap_or(u32::MAX);
        let mut counts = Pods { terminating, ..Pods::default() };
        for pod in self.pods.values() {
            match pod.stage {
                Stage::Ready => counts.ready += 1,
                Stage::Running => counts.not_ready += 1,
                Stage::Pending | Stage::Unscheduled => counts.pending += 1,
            }
            counts.draining += u32::from(pod.marked.is_some());
        }
        counts
    }
}

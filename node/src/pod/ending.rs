//! The end of a pod: its `preStop` sleep and the drain of its requests, SIGTERM, SIGKILL when the
//! grace is over, then the deletion of its object.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container as Spec;
use rouse_k8s::time::{later, seconds};

/// When the platform itself ends, pods do not get their whole grace: a laptop wants to shut down.
pub(super) const HALT_GRACE: Duration = Duration::from_secs(5);
/// The time for SIGTERM that a `preStop` hook cannot use up, as upstream.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// Why the pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Deleted,
    Gone,
    Halt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    PreStop,
    Terminating,
    Killed,
    Over,
}

impl Stage {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::PreStop => "preStop",
            Self::Terminating => "terminating",
            Self::Killed => "killed",
            Self::Over => "over",
        }
    }
}

/// All times are steady times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) why: Why,
    /// When the `preStop` sleep is over.
    slept_at: Timestamp,
    /// No request is sent to the pod any more, and none is in flight in it.
    drained: bool,
    grace_over: Timestamp,
    /// The minimum between SIGTERM and SIGKILL.
    least: Duration,
    pub(super) kill_at: Timestamp,
    pub(super) stage: Stage,
}

impl Ending {
    /// Begins. `sleep` is what the `preStop` hooks ask for.
    pub(super) fn new(why: Why, sleep: Duration, grace: Duration, now: Timestamp) -> Self {
        let sleep = match why {
            Why::Deleted => sleep.min(grace),
            Why::Gone | Why::Halt => Duration::ZERO,
        };
        let grace_over = later(now, grace);
        let least = if grace.is_zero() { Duration::ZERO } else { LEAST_GRACE };
        Self {
            why,
            slept_at: later(now, sleep),
            drained: why != Why::Deleted,
            grace_over,
            least,
            kill_at: grace_over,
            stage: Stage::PreStop,
        }
    }

    /// No request is in flight in the pod any more.
    pub(super) fn drained(&mut self) {
        self.drained = true;
    }

    /// When SIGTERM is sent: once the pod has slept and is drained, at the latest when the grace is
    /// over.
    pub(super) fn term_at(&self) -> Timestamp {
        if self.drained { self.slept_at.min(self.grace_over) } else { self.grace_over }
    }

    /// SIGTERM is sent now.
    pub(super) fn terminate(&mut self, now: Timestamp) {
        self.stage = Stage::Terminating;
        self.kill_at = self.grace_over.max(later(now, self.least));
    }

    /// Shortens the end; never lengthens it.
    pub(super) fn hurry(&mut self, why: Why, grace: Duration, now: Timestamp) {
        if self.why == Why::Deleted {
            self.why = why;
        }
        if why != Why::Deleted {
            // No request is waited for without the object or the platform.
            self.drained = true;
            self.slept_at = self.slept_at.min(now);
            self.least = Duration::ZERO;
        }
        let over = later(now, grace);
        self.grace_over = self.grace_over.min(over);
        self.kill_at = self.kill_at.min(over);
    }

    /// When the next stage begins by itself.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::PreStop => Some(self.term_at()),
            Stage::Terminating => Some(self.kill_at),
            Stage::Killed | Stage::Over => None,
        }
    }
}

/// `lifecycle.preStop.sleep` of a container.
pub(super) fn pre_stop_sleep(spec: &Spec) -> Duration {
    let hook = spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    let sleep = hook.and_then(|hook| hook.sleep.as_ref());
    sleep.map(|sleep| seconds(sleep.seconds)).unwrap_or_default()
}

/// Whether a container asks for a `preStop` hook that is not a sleep.
pub(super) fn has_other_hook(spec: &Spec) -> bool {
    let hook = spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    hook.is_some_and(|hook| hook.exec.is_some() || hook.http_get.is_some())
}

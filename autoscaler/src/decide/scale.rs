//! From a decision to a scale: bounds, initial scale, scale to zero. Pure.
//!
//! ```text
//! wanted   Active               answer
//! unknown  True, NoTraffic      leave the scale
//! unknown  Unknown, TimedOut    as for 0
//! > 0      any                  that, within the bounds
//! 0        Unknown              wait; 0 once the activation timeout has passed
//! 0        True                 1 until it was active for a stable window, then inactive
//! 0        False for NoTraffic  0 once the retention has passed
//! 0        False for TimedOut   0
//! ```
//!
//! The activator is always in the path, so upstream's grace period counts as already spent.
//! Upstream: `pkg/reconciler/autoscaling/kpa/{scaler,kpa}.go`.

use std::time::Duration;

use jiff::Timestamp;
use rouse_k8s::time::{self, later};

use crate::decide::spec::ScalingSpec;

/// The Active condition, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    pub state: Active,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// Unknown: pods are being started.
    Activating,
    /// True.
    Active,
    /// False, because there are no requests.
    NoTraffic,
    /// False, because no pod became ready in time.
    TimedOut,
}

impl Active {
    #[must_use]
    pub fn is_inactive(self) -> bool {
        match self {
            Self::NoTraffic | Self::TimedOut => true,
            Self::Activating | Self::Active => false,
        }
    }
}

impl Activity {
    /// `state`, since `now` if it is a change.
    #[must_use]
    pub fn becomes(self, state: Active, now: Timestamp) -> Self {
        if self.state == state { self } else { Self { state, since: now } }
    }

    fn lasted(self, now: Timestamp) -> Duration {
        time::since(self.since, now)
    }
}

/// The scale that a revision should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// None is unknown: nothing was measured yet.
    pub want: Option<u32>,
    /// Whether it may be written now.
    pub apply: bool,
    /// The rule that changed what the load asked for.
    pub rule: Option<Rule>,
    /// When the answer changes without an event.
    pub recheck: Option<Timestamp>,
}

/// Why the scale is not what the load asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    MinScale,
    MaxScale,
    InitialScale,
    ScaleToZeroDisabled,
    /// Active for less than a stable window, so one pod stays.
    ActiveTooShort,
    ActivationTimedOut,
}

impl Target {
    fn leave(want: Option<u32>, recheck: Option<Timestamp>) -> Self {
        Self { want, apply: false, rule: None, recheck }
    }

    fn write(want: u32, rule: Option<Rule>) -> Self {
        Self { want: Some(want), apply: true, rule, recheck: None }
    }
}

/// Returns the scale for the number of pods that the load asks for.
#[must_use]
pub fn resolve(
    spec: &ScalingSpec,
    desired: Option<u32>,
    activity: Activity,
    initialized: bool,
    now: Timestamp,
) -> Target {
    let desired = match (desired, activity.state) {
        (Some(desired), _) => desired,
        // A revision that never started is given up after its timeout, though no load was measured.
        (None, Active::Activating | Active::TimedOut) => 0,
        (None, Active::Active | Active::NoTraffic) => return Target::leave(None, None),
    };
    let (bounded, rule) = bounds(spec, desired, initialized);
    if bounded > 0 {
        return Target::write(bounded, rule);
    }
    to_zero(spec, activity, now)
}

fn bounds(spec: &ScalingSpec, desired: u32, initialized: bool) -> (u32, Option<Rule>) {
    let starting = spec.initial > 1 && !initialized && spec.decider.reachable;
    let (min, rule) = if starting && spec.initial > spec.min {
        (spec.initial, Rule::InitialScale)
    } else {
        (spec.min, Rule::MinScale)
    };
    if desired < min {
        return (min, Some(rule));
    }
    match spec.max {
        Some(max) if desired > max => (max, Some(Rule::MaxScale)),
        Some(_) | None => (desired, None),
    }
}

fn to_zero(spec: &ScalingSpec, activity: Activity, now: Timestamp) -> Target {
    if !spec.scale_to_zero {
        return Target::write(1, Some(Rule::ScaleToZeroDisabled));
    }
    let lasted = activity.lasted(now);
    match activity.state {
        Active::Activating if lasted > spec.activation_timeout => {
            Target::write(0, Some(Rule::ActivationTimedOut))
        }
        Active::Activating => {
            Target::leave(None, Some(later(later(activity.since, spec.activation_timeout), TICK)))
        }
        // The caller makes it inactive and asks again.
        Active::Active if lasted >= spec.stable_window() => Target::leave(Some(0), None),
        Active::Active => Target {
            recheck: Some(later(activity.since, spec.stable_window())),
            ..Target::write(1, Some(Rule::ActiveTooShort))
        },
        Active::TimedOut => Target::write(0, Some(Rule::ActivationTimedOut)),
        Active::NoTraffic if lasted >= spec.retention => Target::write(0, None),
        Active::NoTraffic => Target::leave(Some(0), Some(later(activity.since, spec.retention))),
    }
}

/// Added to a limit that must be exceeded and not only reached.
const TICK: Duration = Duration::from_millis(1);

/// Ready pods that make a revision active.
#[must_use]
pub fn active_threshold(spec: &ScalingSpec, initialized: bool) -> u32 {
    if initialized { spec.min.max(1) } else { spec.min.max(spec.initial) }
}

/// The next state of the Active condition.
///
/// ```text
/// want   ready        before      after
/// 0      any          any         NoTraffic (TimedOut from Activating and TimedOut)
/// > 0    < threshold  any         Activating
/// > 0    >= threshold any         Active
/// ?      < threshold  inactive    inactive
/// ?      < threshold  other       Activating
/// ?      >= threshold inactive    inactive
/// ?      >= threshold other       Active
/// ```
///
/// With a threshold of 0, always NoTraffic (TimedOut from TimedOut).
#[must_use]
pub fn next_active(before: Active, want: Option<u32>, ready: u32, threshold: u32) -> Active {
    if want == Some(0) || threshold == 0 {
        return match before {
            Active::Activating if threshold > 0 => Active::TimedOut,
            Active::TimedOut => Active::TimedOut,
            Active::Activating | Active::Active | Active::NoTraffic => Active::NoTraffic,
        };
    }
    match (want, before) {
        (None, Active::NoTraffic | Active::TimedOut) => before,
        (None | Some(_), _) if ready < threshold => Active::Activating,
        (None | Some(_), _) => Active::Active,
    }
}

#[cfg(test)]
mod tests;

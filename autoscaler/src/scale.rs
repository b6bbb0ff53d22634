//! From a decision to a scale: bounds, initial scale, scale to zero. Pure.
//!
//! ```text
//! wanted   Active     answer
//! unknown  not Unknown  leave the scale
//! > 0      any        that, within the bounds
//! 0        Unknown    wait; 0 once the activation timeout has passed
//! 0        True       1 until it was active for a stable window, then inactive
//! 0        False      0 once the retention has passed
//! ```
//!
//! The activator is always in the path, so upstream's grace period counts as already spent.
//! Upstream: `pkg/reconciler/autoscaling/kpa/{scaler,kpa}.go`.

use std::time::Duration;

use jiff::Timestamp;

use crate::spec::ScalingSpec;

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
    /// False, for want of requests.
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
    /// `state`, from `now` unless it was so before.
    #[must_use]
    pub fn becomes(self, state: Active, now: Timestamp) -> Self {
        if self.state == state { self } else { Self { state, since: now } }
    }

    fn lasted(self, now: Timestamp) -> Duration {
        now.duration_since(self.since).try_into().unwrap_or_default()
    }
}

/// What the scale should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// None is unknown: nothing was measured yet.
    pub want: Option<u32>,
    /// Whether it may be written now.
    pub apply: bool,
    /// The rule that changed what the load asked for.
    pub rule: Option<Rule>,
    /// When time alone changes the answer.
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

/// Gives the scale for what the load asks for.
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
        // Pods that never came up are given up on, however long that takes.
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
            Target::leave(None, Some(activity.since + spec.activation_timeout + TICK))
        }
        // The caller makes it inactive and asks again.
        Active::Active if lasted >= spec.stable_window() => Target::leave(Some(0), None),
        Active::Active => Target {
            recheck: Some(activity.since + spec.stable_window()),
            ..Target::write(1, Some(Rule::ActiveTooShort))
        },
        Active::TimedOut => Target::write(0, Some(Rule::ActivationTimedOut)),
        Active::NoTraffic if lasted >= spec.retention => Target::write(0, None),
        Active::NoTraffic => Target::leave(Some(0), Some(activity.since + spec.retention)),
    }
}

/// Past a limit that must be exceeded, not only reached.
const TICK: Duration = Duration::from_millis(1);

/// Ready pods that make a revision active.
#[must_use]
pub fn active_threshold(spec: &ScalingSpec, initialized: bool) -> u32 {
    if initialized { spec.min.max(1) } else { spec.min.max(spec.initial) }
}

/// What the Active condition becomes.
///
/// ```text
/// want   ready        before      after
/// 0      any          any         NoTraffic (TimedOut from Activating)
/// > 0    < threshold  any         Activating
/// > 0    >= threshold any         Active
/// ?      < threshold  inactive    inactive
/// ?      < threshold  other       Activating
/// ?      >= threshold inactive    inactive
/// ?      >= threshold other       Active (NoTraffic if the threshold is 0)
/// ```
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
mod tests {
    use super::*;
    use rouse_api::PodAutoscaler;
    use rouse_api::config::AutoscalerConfig;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + second).unwrap()
    }

    fn spec() -> ScalingSpec {
        let pa = PodAutoscaler::new("hello-00001", Default::default());
        ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600))
    }

    fn since(state: Active, second: i64) -> Activity {
        Activity { state, since: at(second) }
    }

    fn answer(spec: &ScalingSpec, desired: Option<u32>, activity: Activity) -> (Option<u32>, bool) {
        let target = resolve(spec, desired, activity, true, at(0));
        (target.want, target.apply)
    }

    #[test]
    fn scales_stay_within_their_bounds() {
        let spec = ScalingSpec { min: 2, max: Some(5), ..spec() };
        let active = since(Active::Active, -100);
        for (desired, want, rule) in
            [(0, 2, Some(Rule::MinScale)), (3, 3, None), (9, 5, Some(Rule::MaxScale))]
        {
            let target = resolve(&spec, Some(desired), active, true, at(0));
            assert_eq!((target.want, target.rule), (Some(want), rule), "for {desired}");
        }
    }

    #[test]
    fn nothing_measured_leaves_the_scale() {
        assert_eq!(answer(&spec(), None, since(Active::Active, -100)), (None, false));
        assert_eq!(answer(&spec(), None, since(Active::NoTraffic, -100)), (None, false));
    }

    #[test]
    fn the_initial_scale_holds_until_it_was_reached_once() {
        let spec = ScalingSpec { initial: 3, ..spec() };
        let starting = since(Active::Activating, -1);
        let before = resolve(&spec, None, starting, false, at(0));
        assert_eq!((before.want, before.rule), (Some(3), Some(Rule::InitialScale)));
        let after = resolve(&spec, Some(1), since(Active::Active, -1), true, at(0));
        assert_eq!(after.want, Some(1));
    }

    #[test]
    fn an_unreachable_revision_ignores_its_initial_scale() {
        let mut spec = ScalingSpec { initial: 3, ..spec() };
        spec.decider.reachable = false;
        let target = resolve(&spec, Some(1), since(Active::Activating, -1), false, at(0));
        assert_eq!(target.want, Some(1));
    }

    #[test]
    fn zero_comes_after_a_stable_window_of_activity_and_the_retention() {
        let spec = ScalingSpec { retention: Duration::from_secs(20), ..spec() };
        let rows = [
            (since(Active::Active, -59), (Some(1), true)),
            (since(Active::Active, -60), (Some(0), false)),
            (since(Active::NoTraffic, -19), (Some(0), false)),
            (since(Active::NoTraffic, -20), (Some(0), true)),
        ];
        for (activity, expected) in rows {
            assert_eq!(answer(&spec, Some(0), activity), expected, "{activity:?}");
        }
    }

    #[test]
    fn without_retention_an_inactive_revision_goes_to_zero_at_once() {
        assert_eq!(answer(&spec(), Some(0), since(Active::NoTraffic, 0)), (Some(0), true));
    }

    #[test]
    fn scale_to_zero_can_be_switched_off() {
        let spec = ScalingSpec { scale_to_zero: false, ..spec() };
        assert_eq!(answer(&spec, Some(0), since(Active::NoTraffic, -999)), (Some(1), true));
    }

    #[test]
    fn a_revision_that_never_starts_is_given_up_after_its_deadline() {
        let waiting = resolve(&spec(), None, since(Active::Activating, -630), false, at(0));
        assert_eq!((waiting.want, waiting.apply), (None, false));
        let late = resolve(&spec(), None, since(Active::Activating, -631), false, at(0));
        assert_eq!((late.want, late.rule), (Some(0), Some(Rule::ActivationTimedOut)));
        assert_eq!(next_active(Active::Activating, late.want, 0, 1), Active::TimedOut);
    }

    #[test]
    fn activity_follows_the_table() {
        use Active::{Activating, NoTraffic};
        let rows = [
            (Active::Active, Some(0), 1, 1, NoTraffic),
            (NoTraffic, Some(1), 0, 1, Activating),
            (Activating, Some(1), 1, 1, Active::Active),
            (NoTraffic, None, 0, 1, NoTraffic),
            (Activating, None, 0, 1, Activating),
            (Active::Active, None, 0, 1, Activating),
            (NoTraffic, None, 1, 1, NoTraffic),
            (Activating, None, 0, 0, NoTraffic),
            (Activating, None, 2, 1, Active::Active),
            (Activating, None, 2, 3, Activating),
        ];
        for (before, want, ready, threshold, after) in rows {
            let found = next_active(before, want, ready, threshold);
            assert_eq!(found, after, "{before:?} {want:?} {ready} of {threshold}");
        }
    }
}

//! How fast and how far the number of replicas moves: stabilization windows and scaling policies.
//!
//! Upstream: `pkg/controller/podautoscaler/horizontal.go`
//! (`normalizeDesiredReplicasWithBehaviors`).

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};
use rouse_k8s::{Quantity, time};

use super::replicas::{Tolerance, ceil};

/// The default window of scaling down. Upstream:
/// `--horizontal-pod-autoscaler-downscale-stabilization`.
const DOWN_WINDOW: i32 = 300;
/// Deviations from the target that change nothing. Upstream:
/// `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;
/// The longest window or period that the API admits.
const LONGEST: Duration = Duration::from_secs(3600);

/// The rules of both directions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Behavior {
    up: Rules,
    down: Rules,
}

#[derive(Clone, Debug, PartialEq)]
struct Rules {
    window: Duration,
    policies: Vec<Policy>,
    select: Select,
    tolerance: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Select {
    Max,
    Min,
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    amount: Amount,
    period: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Pods(i32),
    Percent(i32),
}

/// What was proposed and done lately.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    proposals: Vec<(Timestamp, i32)>,
    /// Replicas added (positive) and removed (negative).
    changes: Vec<(Timestamp, i32)>,
}

/// The number of replicas to set, and what kept it from the proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounded {
    pub(super) replicas: i32,
    /// A stabilization window holds it: the reason of `AbleToScale`.
    pub(super) stabilized: Option<&'static str>,
    /// A bound or a policy limits it: the reason of `ScalingLimited`.
    pub(super) limited: Option<&'static str>,
}

impl Behavior {
    pub(super) fn of(written: Option<&HorizontalPodAutoscalerBehavior>) -> Self {
        let period = Duration::from_secs(15);
        let percent = Policy { amount: Amount::Percent(100), period };
        let pods = Policy { amount: Amount::Pods(4), period };
        Self {
            up: rules(written.and_then(|w| w.scale_up.as_ref()), 0, &[pods, percent]),
            down: rules(written.and_then(|w| w.scale_down.as_ref()), DOWN_WINDOW, &[percent]),
        }
    }

    pub(super) fn tolerance(&self) -> Tolerance {
        Tolerance { up: self.up.tolerance, down: self.down.tolerance }
    }

    /// The replicas after `current`, for a proposal between `min` and `max`.
    pub(super) fn bound(
        &self,
        history: &mut History,
        current: i32,
        proposed: i32,
        (min, max): (i32, i32),
        now: Timestamp,
    ) -> Bounded {
        history.forget(now);
        let stable = self.stabilize(history, current, proposed, now);
        let stabilized = (stable != proposed).then_some(if stable < proposed {
            "ScaleUpStabilized"
        } else {
            "ScaleDownStabilized"
        });
        history.proposals.push((now, proposed));
        let (replicas, limited) = self.limit(history, current, stable, (min, max), now);
        Bounded { replicas, stabilized, limited }
    }

    /// Up to the lowest proposal of the one window, down to the highest of the other.
    fn stabilize(&self, history: &History, current: i32, proposed: i32, now: Timestamp) -> i32 {
        let within = |window: Duration| {
            let recent = move |(at, _): &&(Timestamp, i32)| time::since(*at, now) < window;
            history.proposals.iter().filter(recent).map(|(_, replicas)| *replicas)
        };
        let lowest = within(self.up.window).fold(proposed, i32::min);
        let highest = within(self.down.window).fold(proposed, i32::max);
        current.max(lowest).min(highest)
    }

    fn limit(
        &self,
        history: &History,
        current: i32,
        wanted: i32,
        (min, max): (i32, i32),
        now: Timestamp,
    ) -> (i32, Option<&'static str>) {
        if wanted > current {
            let most = self.up.reach(history, current, now).max(current);
            if wanted > most.min(max) {
                let limited = if most < max { "ScaleUpLimit" } else { "TooManyReplicas" };
                return (most.min(max), Some(limited));
            }
        } else if wanted < current {
            let least = self.down.depth(history, current, now).min(current);
            if wanted < least.max(min) {
                let limited = if least > min { "ScaleDownLimit" } else { "TooFewReplicas" };
                return (least.max(min), Some(limited));
            }
        }
        let limited = match wanted {
            wanted if wanted > max => Some("TooManyReplicas"),
            wanted if wanted < min => Some("TooFewReplicas"),
            _ => None,
        };
        (wanted.min(max).max(min), limited)
    }
}

impl Rules {
    /// The most replicas that the policies of scaling up admit.
    fn reach(&self, history: &History, current: i32, now: Timestamp) -> i32 {
        let of = |policy: &Policy| {
            let start = history.start(current, policy.period, now);
            match policy.amount {
                Amount::Pods(pods) => start.saturating_add(pods),
                Amount::Percent(percent) => {
                    ceil(f64::from(start) * (1.0 + f64::from(percent) / 100.0))
                }
            }
        };
        let reached = self.policies.iter().map(of);
        match self.select {
            Select::Disabled => Some(current),
            Select::Max => reached.max(),
            Select::Min => reached.min(),
        }
        .unwrap_or(current)
    }

    /// The fewest replicas that the policies of scaling down admit.
    fn depth(&self, history: &History, current: i32, now: Timestamp) -> i32 {
        let of = |policy: &Policy| {
            let start = history.start(current, policy.period, now);
            match policy.amount {
                Amount::Pods(pods) => start.saturating_sub(pods),
                Amount::Percent(percent) => {
                    ceil((f64::from(start) * (1.0 - f64::from(percent) / 100.0)).floor())
                }
            }
        };
        let reached = self.policies.iter().map(of);
        match self.select {
            Select::Disabled => Some(current),
            // The largest change is the smallest number.
            Select::Max => reached.min(),
            Select::Min => reached.max(),
        }
        .unwrap_or(current)
    }
}

impl History {
    /// To be called after the scale was changed.
    pub(super) fn changed(&mut self, from: i32, to: i32, now: Timestamp) {
        self.changes.push((now, to.saturating_sub(from)));
    }

    /// The replicas at the start of the period that ends now.
    fn start(&self, current: i32, period: Duration, now: Timestamp) -> i32 {
        let recent = self.changes.iter().filter(|(at, _)| time::since(*at, now) < period);
        recent.fold(current, |start, (_, change)| start.saturating_sub(*change)).max(0)
    }

    fn forget(&mut self, now: Timestamp) {
        self.proposals.retain(|(at, _)| time::since(*at, now) < LONGEST);
        self.changes.retain(|(at, _)| time::since(*at, now) < LONGEST);
    }
}

fn rules(written: Option<&HPAScalingRules>, window: i32, policies: &[Policy]) -> Rules {
    let select = match written.and_then(|rules| rules.select_policy.as_deref()) {
        Some("Min") => Select::Min,
        Some("Disabled") => Select::Disabled,
        Some(_) | None => Select::Max,
    };
    let own = written.and_then(|rules| rules.policies.as_ref());
    let own = own.into_iter().flatten().map(|policy| Policy {
        amount: match policy.type_.as_str() {
            "Pods" => Amount::Pods(policy.value),
            _ => Amount::Percent(policy.value),
        },
        period: time::seconds(policy.period_seconds),
    });
    let own: Vec<Policy> = own.collect();
    let tolerance = written.and_then(|rules| rules.tolerance.as_ref());
    let tolerance = tolerance.and_then(|written| Quantity::try_from(written).ok());
    let window = written.and_then(|rules| rules.stabilization_window_seconds).unwrap_or(window);
    Rules {
        window: time::seconds(window),
        policies: if own.is_empty() { policies.to_vec() } else { own },
        select,
        tolerance: tolerance.map_or(TOLERANCE, thousandths),
    }
}

fn thousandths(amount: Quantity) -> f64 {
    f64::from(i32::try_from(amount.milli_value()).unwrap_or(i32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn behavior(written: serde_json::Value) -> Behavior {
        Behavior::of(Some(&serde_json::from_value(written).unwrap()))
    }

    #[test]
    fn by_default_it_doubles_every_15_s_and_shrinks_after_5_minutes() {
        let (rules, mut history) = (Behavior::of(None), History::default());
        let mut current = 1;
        let mut seen = Vec::new();
        for (second, proposed) in
            [(0, 50), (5, 50), (15, 50), (30, 50), (31, 3), (329, 3), (331, 3)]
        {
            let now = at(second);
            let next = rules.bound(&mut history, current, proposed, (1, 20), now);
            history.changed(current, next.replicas, now);
            current = next.replicas;
            seen.push((next.replicas, next.stabilized, next.limited));
        }
        assert_eq!(
            seen,
            [
                (5, None, Some("ScaleUpLimit")),
                (5, None, Some("ScaleUpLimit")),
                (10, None, Some("ScaleUpLimit")),
                (20, None, Some("TooManyReplicas")),
                (20, Some("ScaleDownStabilized"), None),
                (20, Some("ScaleDownStabilized"), None),
                (3, None, None),
            ]
        );
    }

    #[test]
    fn policies_of_ones_own_limit_both_directions() {
        let written = json!({
            "scaleUp": { "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 60 }] },
            "scaleDown": {
                "stabilizationWindowSeconds": 0, "selectPolicy": "Min",
                "policies": [
                    { "type": "Pods", "value": 1, "periodSeconds": 60 },
                    { "type": "Percent", "value": 50, "periodSeconds": 60 },
                ],
            },
        });
        let (rules, mut history) = (behavior(written), History::default());
        let up = rules.bound(&mut history, 4, 40, (1, 100), at(0));
        assert_eq!((up.replicas, up.limited), (6, Some("ScaleUpLimit")));
        history.changed(4, 6, at(0));
        assert_eq!(rules.bound(&mut history, 6, 40, (1, 100), at(30)).replicas, 6);
        assert_eq!(rules.bound(&mut history, 6, 40, (1, 100), at(60)).replicas, 8);
        let down = rules.bound(&mut history, 6, 0, (1, 100), at(90));
        assert_eq!((down.replicas, down.limited), (5, Some("ScaleDownLimit")));
        let off = behavior(json!({ "scaleDown": { "selectPolicy": "Disabled",
            "stabilizationWindowSeconds": 0 } }));
        assert_eq!(off.bound(&mut History::default(), 6, 1, (1, 100), at(0)).replicas, 6);
    }

    #[test]
    fn the_bounds_hold_whatever_is_proposed() {
        let (rules, mut history) = (Behavior::of(None), History::default());
        assert_eq!(rules.bound(&mut history, 3, 0, (3, 9), at(0)).limited, Some("TooFewReplicas"));
        for proposed in [i32::MIN, -1, 0, i32::MAX] {
            let found = rules.bound(&mut History::default(), 5, proposed, (2, 9), at(0)).replicas;
            assert!((2..=9).contains(&found), "{proposed}: {found}");
        }
        let narrow = behavior(json!({ "scaleUp": { "tolerance": "50m" } })).tolerance();
        assert!((narrow.up - 0.05).abs() < 1e-9 && (narrow.down - 0.1).abs() < 1e-9, "{narrow:?}");
    }
}

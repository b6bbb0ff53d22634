//! A change of scale in words: the reason for programs, the sentence with the numbers for people.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_api::annotations::Metric;
use rouse_api::podautoscaler::ScaleChange;

use crate::decide::kpa::{Decision, Observation, Why};
use crate::decide::scale::{Rule, Target};
use crate::decide::spec::ScalingSpec;
use crate::decide::status::signed;

/// The last decision, and its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    pub(crate) seen: Observation,
    pub(crate) queued: u32,
    /// After the scale-down delay.
    pub(crate) want: u32,
    /// Requests arrived while there were no pods.
    pub(crate) woken: bool,
}

/// Describes the change `from` one scale `to` another.
pub(crate) fn change(
    (from, to): (u32, u32),
    target: &Target,
    decided: Option<&Decided>,
    spec: &ScalingSpec,
    now: Timestamp,
) -> ScaleChange {
    let (reason, message) = match target.rule {
        Some(rule) => by_rule(rule, spec),
        None => decided.map_or_else(unmeasured, |decided| by_load(from, decided, spec)),
    };
    ScaleChange {
        time: Time(now),
        from: signed(from),
        to: signed(to),
        reason: reason.to_owned(),
        message,
        stable: decided.map_or(0.0, |d| d.seen.stable),
        panic: decided.map_or(0.0, |d| d.seen.panic),
        target: spec.decider.target,
        ready: decided.map_or(0, |d| signed(d.seen.ready)),
        queued: decided.map_or(0, |d| signed(d.queued)),
    }
}

fn unmeasured() -> (&'static str, String) {
    ("Unmeasured", "no load was measured yet".to_owned())
}

fn by_rule(rule: Rule, spec: &ScalingSpec) -> (&'static str, String) {
    match rule {
        Rule::MinScale => ("MinScale", format!("min-scale is {}", spec.min)),
        Rule::MaxScale => ("MaxScale", format!("max-scale is {}", spec.max.map_or(0, |max| max))),
        Rule::InitialScale => {
            ("InitialScale", format!("initial-scale is {} and was not reached yet", spec.initial))
        }
        Rule::ScaleToZeroDisabled => {
            ("ScaleToZeroDisabled", "enable-scale-to-zero is false, so one pod stays".to_owned())
        }
        Rule::ActiveTooShort => (
            "ActiveTooShort",
            format!(
                "no load, but one pod stays until the revision was active for its stable window \
                 of {} s",
                spec.stable_window().as_secs()
            ),
        ),
        Rule::ActivationTimedOut => (
            "ActivationTimedOut",
            format!(
                "no pod became ready within {} s, so the revision was given up until the next \
                 request",
                spec.activation_timeout.as_secs()
            ),
        ),
    }
}

fn by_load(from: u32, decided: &Decided, spec: &ScalingSpec) -> (&'static str, String) {
    let Decided { decision, seen, queued, want, woken } = decided;
    if *woken && from == 0 {
        let requests = if *queued == 1 { "request waits" } else { "requests wait" };
        return ("Woken", format!("{queued} {requests} and no pod is there"));
    }
    if *want > decision.want {
        let message = format!(
            "scale-down-delay of {} s holds {want} where the load asks for {}",
            spec.scale_down_delay.as_secs(),
            decision.want
        );
        return ("ScaleDownDelay", message);
    }
    let reason = match decision.why {
        Why::Empty => {
            let message = format!(
                "no request in the stable window of {} s{}",
                spec.stable_window().as_secs(),
                retention(spec)
            );
            return ("StableWindowEmpty", message);
        }
        Why::Stable => "StableLoad",
        Why::Panic => "Panic",
        Why::PanicHeld { .. } => "PanicHeld",
        Why::RateUp { .. } => "MaxScaleUpRate",
        Why::RateDown { .. } => "MaxScaleDownRate",
        Why::ActivationScale => "ActivationScale",
    };
    let unit = match spec.metric {
        Metric::Concurrency => "requests in flight",
        Metric::Rps => "requests a second",
    };
    let message = format!(
        "{}: {:.2} {unit} over {} s and {:.2} over {} s, for a target of {:.2} in each pod",
        decision.why,
        seen.stable,
        spec.stable_window().as_secs(),
        seen.panic,
        spec.panic_window.as_secs(),
        spec.decider.target
    );
    (reason, message)
}

fn retention(spec: &ScalingSpec) -> String {
    if spec.retention.is_zero() {
        return String::new();
    }
    format!(", and the last pod was retained for {} s", spec.retention.as_secs())
}

#[cfg(test)]
mod tests;

//! From the usage of pods to a number of replicas, by one metric.
//!
//! Upstream: `pkg/controller/podautoscaler/replica_calculator.go`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use rouse_k8s::condition::READY;
use rouse_k8s::{pod as pods, time};

/// A pod that started so recently counts by its CPU only once it is ready. Upstream:
/// `--horizontal-pod-autoscaler-cpu-initialization-period`.
const CPU_INITIALIZATION: Duration = Duration::from_secs(300);
/// A pod that was never ready since so soon after its start is still starting. Upstream:
/// `--horizontal-pod-autoscaler-initial-readiness-delay`.
const INITIAL_READINESS: Duration = Duration::from_secs(30);

/// A pod, and the metric of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured<'a> {
    pub(super) pod: &'a Pod,
    /// Thousandths of a CPU, or bytes.
    pub(super) usage: Option<Usage>,
    /// The requests of its containers, in the same unit; None if a container has none.
    pub(super) request: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) amount: u64,
    pub(super) at: Timestamp,
    /// The time over which it was averaged.
    pub(super) window: Duration,
}

/// The goal of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Percent of the requests.
    Utilization(u64),
    /// Of each pod, in the unit of the usage.
    Average(u64),
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) replicas: i32,
    /// The average of the pods that count.
    pub(super) average: u64,
    /// The same as a percentage of the requests.
    pub(super) utilization: Option<u64>,
}

/// Deviations from the target that change nothing, as fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    pub(super) up: f64,
    pub(super) down: f64,
}

/// The replicas that one resource asks for, or why that is not known.
pub(super) fn propose(
    current: i32,
    measured: &[Measured<'_>],
    target: Target,
    is_cpu: bool,
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<Proposal, String> {
    let mut ready = Vec::new();
    let (mut unready, mut missing) = (Vec::new(), Vec::new());
    for one in measured {
        match group(one, is_cpu, now) {
            Group::Ignored => {}
            Group::Unready => unready.push(one),
            Group::Missing => missing.push(one),
            Group::Ready(amount) => ready.push((one, amount)),
        }
    }
    if ready.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
    }
    let counted: Vec<(u64, u64)> = ready
        .iter()
        .map(|(one, amount)| goal(one, target).map(|goal| (*amount, goal)))
        .collect::<Result<_, String>>()?;
    let ratio = ratio(&counted);
    let sum = counted.iter().fold(0_u64, |sum, (amount, _)| sum.saturating_add(*amount));
    let average = sum / count(counted.len());
    let utilization = match target {
        Target::Utilization(percent) => Some(saturated(ratio * float(percent))),
        Target::Average(_) => None,
    };
    let replicas = {
        let starting = !unready.is_empty() && ratio > 1.0;
        if !starting && missing.is_empty() {
            let within = tolerance.contains(ratio);
            if within { current } else { ceil(ratio * float(count(counted.len()))) }
        } else {
            let mut all = counted;
            // The unknown is assumed to be what holds the scale back.
            for one in &missing {
                let goal = goal(one, target)?;
                let assumed = match target {
                    _ if ratio > 1.0 => 0,
                    Target::Utilization(percent) if percent < 100 => one.request.unwrap_or(goal),
                    Target::Utilization(_) | Target::Average(_) => goal,
                };
                all.push((assumed, goal));
            }
            if starting {
                for one in &unready {
                    all.push((0, goal(one, target)?));
                }
            }
            conservative(current, ratio, &all, tolerance)
        }
    };
    Ok(Proposal { replicas, average, utilization })
}

/// The replicas by the usage with its assumptions, unless these turn the direction around.
fn conservative(current: i32, before: f64, all: &[(u64, u64)], tolerance: Tolerance) -> i32 {
    let now = ratio(all);
    let turned = before < 1.0 && now > 1.0 || before > 1.0 && now < 1.0;
    let replicas = ceil(now * float(count(all.len())));
    let wrong = now < 1.0 && replicas > current || now > 1.0 && replicas < current;
    if tolerance.contains(now) || turned || wrong { current } else { replicas }
}

enum Group {
    Ignored,
    Unready,
    Missing,
    Ready(u64),
}

fn group(one: &Measured<'_>, is_cpu: bool, now: Timestamp) -> Group {
    let pod = one.pod;
    if pod.metadata.deletion_timestamp.is_some() || pods::has_ended(pod) {
        return Group::Ignored;
    }
    if pods::phase(pod) != "Running" {
        return Group::Unready;
    }
    let Some(usage) = one.usage else { return Group::Missing };
    if is_cpu && is_starting(pod, usage, now) { Group::Unready } else { Group::Ready(usage.amount) }
}

/// Whether the CPU time of a pod is that of its start.
fn is_starting(pod: &Pod, usage: Usage, now: Timestamp) -> bool {
    let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
    let Some((ready, started)) = pods::condition(pod, READY).zip(started) else { return true };
    let is_ready = ready.status == "True";
    let Some(turned) = ready.last_transition_time.as_ref().map(|time| time.0) else {
        return !is_ready;
    };
    if time::later(started.0, CPU_INITIALIZATION) > now {
        return !is_ready || usage.at < time::later(turned, usage.window);
    }
    !is_ready && time::later(started.0, INITIAL_READINESS) > turned
}

/// What the pod may use at the target.
fn goal(one: &Measured<'_>, target: Target) -> Result<u64, String> {
    match target {
        Target::Average(value) => Ok(value),
        Target::Utilization(percent) => {
            let request = one.request.filter(|request| *request > 0).ok_or_else(|| {
                let name = one.pod.metadata.name.as_deref().unwrap_or_default();
                format!("missing request in a container of Pod {name}")
            })?;
            Ok((request.saturating_mul(percent) / 100).max(1))
        }
    }
}

fn ratio(counted: &[(u64, u64)]) -> f64 {
    let sum = |pick: fn(&(u64, u64)) -> u64| counted.iter().map(pick).map(float).sum::<f64>();
    let goal = sum(|(_, goal)| *goal);
    if goal > 0.0 { sum(|(amount, _)| *amount) / goal } else { 1.0 }
}

impl Tolerance {
    fn contains(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits than a float has")]
fn float(amount: u64) -> f64 {
    amount as f64
}

/// Up to the next whole number; saturates.
pub(super) fn ceil(number: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let whole = number.ceil() as i32;
    whole
}

fn saturated(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates"
    )]
    let whole = number.round() as u64;
    whole
}

#[cfg(test)]
mod tests;

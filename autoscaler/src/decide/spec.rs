//! Settings of one revision: its annotations over `config-autoscaler`, resolved to numbers.
//!
//! Upstream: `pkg/reconciler/autoscaling/{resources/target.go,kpa/resources/decider.go}`.

use std::collections::BTreeMap;
use std::time::Duration;

use rouse_api::PodAutoscaler;
use rouse_api::annotations::{self, Aggregation, Autoscaling, Metric};
use rouse_api::config::AutoscalerConfig;
use rouse_api::config::autoscaler::{
    PANIC_THRESHOLD_PERCENTAGE_MAX, PANIC_THRESHOLD_PERCENTAGE_MIN, PANIC_WINDOW_PERCENTAGE_MAX,
    PANIC_WINDOW_PERCENTAGE_MIN, TARGET_MIN, WINDOW_MAX, WINDOW_MIN,
};
use rouse_api::podautoscaler::Reachability;
use rouse_k8s::GoDuration;

use crate::decide::kpa::DeciderSpec;

/// How much longer than the progress deadline a revision may try to start before it is given up:
/// the Revision's reconciler must have seen the Deployment fail, and why, while pods exist.
const ACTIVATION_BUFFER: Duration = Duration::from_secs(30);

/// All settings that scaling one revision depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingSpec {
    pub decider: DeciderSpec,
    pub metric: Metric,
    pub aggregation: Aggregation,
    pub panic_window: Duration,
    pub scale_down_delay: Duration,
    pub min: u32,
    /// None is no limit.
    pub max: Option<u32>,
    pub initial: u32,
    pub scale_to_zero: bool,
    /// How long the last pod stays after the revision became inactive.
    pub retention: Duration,
    /// How long a revision may try to start.
    pub activation_timeout: Duration,
}

impl ScalingSpec {
    /// Reads a PodAutoscaler. `progress_deadline` is the cluster's, from `config-deployment`.
    #[must_use]
    pub fn new(pa: &PodAutoscaler, config: &AutoscalerConfig, progress_deadline: Duration) -> Self {
        let none = BTreeMap::new();
        let written = pa.metadata.annotations.as_ref().unwrap_or(&none);
        let read = Autoscaling::new(written, config);
        let reachable = pa.spec.reachability != Reachability::Unreachable;
        let (target, total) = target(read, config, pa.spec.container_concurrency);
        let window = bounded(read.window(), WINDOW_MIN, WINDOW_MAX);
        Self {
            decider: DeciderSpec {
                target,
                total,
                panic_threshold: panic_threshold(read.panic_threshold_percentage()),
                rate_up: config.max_scale_up_rate,
                rate_down: config.max_scale_down_rate,
                stable_window: window,
                activation_scale: read.activation_scale(),
                reachable,
            },
            metric: read.metric(),
            aggregation: read.aggregation(),
            panic_window: panic_window(window, read.panic_window_percentage()),
            scale_down_delay: read.scale_down_delay().min(WINDOW_MAX.to_std()),
            min: if reachable { read.min_scale() } else { 0 },
            max: read.max_scale(),
            initial: read.initial_scale(),
            scale_to_zero: config.enable_scale_to_zero,
            retention: if reachable {
                read.scale_to_zero_retention().min(WINDOW_MAX.to_std())
            } else {
                Duration::ZERO
            },
            activation_timeout: annotations::progress_deadline(written)
                .unwrap_or(progress_deadline)
                .saturating_add(ACTIVATION_BUFFER),
        }
    }

    #[must_use]
    pub fn stable_window(&self) -> Duration {
        self.decider.stable_window
    }
}

/// The load that a pod should carry, and the load that it can carry.
fn target(read: Autoscaling<'_>, config: &AutoscalerConfig, limit: i64) -> (f64, f64) {
    let limit = (limit > 0).then(|| limit_of(limit));
    let total = match (read.metric(), read.target()) {
        (Metric::Rps, target) => target.unwrap_or(config.requests_per_second_target_default),
        (Metric::Concurrency, None) => limit.unwrap_or(config.container_concurrency_target_default),
        // Aiming for more than a pod admits would leave requests waiting for ever.
        (Metric::Concurrency, Some(target)) => limit.map_or(target, |limit| target.min(limit)),
    };
    ((total * read.utilization()).max(TARGET_MIN), total)
}

#[expect(clippy::cast_precision_loss, reason = "a number of requests in one pod, far below 2^52")]
fn limit_of(limit: i64) -> f64 {
    limit as f64
}

/// Validation enforces these bounds; a value that bypassed it is clamped.
fn bounded(value: Duration, least: GoDuration, most: GoDuration) -> Duration {
    value.clamp(least.to_std(), most.to_std())
}

/// As a factor of the ready pods.
fn panic_threshold(percentage: f64) -> f64 {
    percentage.clamp(PANIC_THRESHOLD_PERCENTAGE_MIN, PANIC_THRESHOLD_PERCENTAGE_MAX) / 100.0
}

/// Whole seconds, at least one.
fn panic_window(stable: Duration, percentage: f64) -> Duration {
    let percentage = percentage.clamp(PANIC_WINDOW_PERCENTAGE_MIN, PANIC_WINDOW_PERCENTAGE_MAX);
    let seconds = (stable.as_secs_f64() * percentage / 100.0).round().max(1.0);
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests;

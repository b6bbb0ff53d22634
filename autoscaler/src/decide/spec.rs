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
mod tests {
    use super::*;
    use rouse_api::keys;

    fn spec(annotations: &[(&str, &str)], limit: i64) -> ScalingSpec {
        let mut pa = PodAutoscaler::new("hello-00001", Default::default());
        pa.spec.container_concurrency = limit;
        pa.metadata.annotations =
            Some(annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600))
    }

    #[test]
    fn the_target_follows_annotation_limit_and_metric() {
        type Row = (&'static [(&'static str, &'static str)], i64, f64, f64);
        let rows: [Row; 6] = [
            (&[], 0, 70.0, 100.0),
            (&[], 10, 7.0, 10.0),
            (&[(keys::TARGET, "50")], 10, 7.0, 10.0),
            (&[(keys::TARGET, "5")], 10, 3.5, 5.0),
            (&[(keys::METRIC, "rps")], 10, 140.0, 200.0),
            (&[(keys::TARGET, "0.01"), (keys::TARGET_UTILIZATION, "10")], 0, 0.01, 0.01),
        ];
        for (annotations, limit, target, total) in rows {
            let spec = spec(annotations, limit);
            assert!((spec.decider.target - target).abs() < 1e-9, "{annotations:?}: {spec:?}");
            assert!((spec.decider.total - total).abs() < 1e-9, "{annotations:?}: {spec:?}");
        }
    }

    #[test]
    fn the_panic_window_is_whole_seconds() {
        let rows = [("60s", "10", 6), ("6s", "10", 1), ("6s", "1", 1), ("45s", "10", 5)];
        for (window, percentage, seconds) in rows {
            let spec =
                spec(&[(keys::WINDOW, window), (keys::PANIC_WINDOW_PERCENTAGE, percentage)], 0);
            assert_eq!(spec.panic_window, Duration::from_secs(seconds), "{window} {percentage}");
        }
    }

    #[test]
    fn the_panic_threshold_is_a_factor() {
        for (percentage, factor) in [("150", 1.5), ("1000", 10.0), ("50", 2.0)] {
            let spec = spec(&[(keys::PANIC_THRESHOLD_PERCENTAGE, percentage)], 0);
            assert!((spec.decider.panic_threshold - factor).abs() < 1e-9, "{percentage}: {spec:?}");
        }
        assert!((spec(&[], 0).decider.panic_threshold - 2.0).abs() < 1e-9);
    }

    #[test]
    fn an_unreachable_revision_has_no_min_scale_and_no_retention() {
        let mut pa = PodAutoscaler::new("hello-00001", Default::default());
        pa.spec.reachability = Reachability::Unreachable;
        let written = [(keys::MIN_SCALE, "3"), (keys::SCALE_TO_ZERO_RETENTION, "1m")];
        pa.metadata.annotations =
            Some(written.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let spec = ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600));
        assert_eq!((spec.min, spec.retention), (0, Duration::ZERO));
    }
}

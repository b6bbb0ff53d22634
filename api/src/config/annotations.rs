//! Readers of the autoscaling annotations of a Revision or PodAutoscaler.
//!
//! Validation refuses invalid values, so one that was not validated counts as absent and the
//! cluster's setting holds, as in Knative. The old camelCase keys are read where the new are absent.
//!
//! Upstream: `pkg/apis/autoscaling/register.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::autoscaler::{self as limits, AutoscalerConfig, BurstCapacity};
use super::deployment::PROGRESS_DEADLINE_MAX;
use super::network::HttpProtocol;
use crate::terms::keys;
use rouse_k8s::GoDuration;

/// A key and the old spelling that still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    pub old: Option<&'static str>,
}

const fn key(name: &'static str, old: &'static str) -> Key {
    Key { name, old: Some(old) }
}

const fn only(name: &'static str) -> Key {
    Key { name, old: None }
}

pub const CLASS: Key = only(keys::CLASS);
pub const METRIC: Key = only(keys::METRIC);
pub const TARGET: Key = only(keys::TARGET);
pub const WINDOW: Key = only(keys::WINDOW);
pub const ACTIVATION_SCALE: Key = only(keys::ACTIVATION_SCALE);
pub const MIN_SCALE: Key = key(keys::MIN_SCALE, "autoscaling.knative.dev/minScale");
pub const MAX_SCALE: Key = key(keys::MAX_SCALE, "autoscaling.knative.dev/maxScale");
pub const INITIAL_SCALE: Key = key(keys::INITIAL_SCALE, "autoscaling.knative.dev/initialScale");
pub const TARGET_UTILIZATION: Key =
    key(keys::TARGET_UTILIZATION, "autoscaling.knative.dev/targetUtilizationPercentage");
pub const TARGET_BURST_CAPACITY: Key =
    key(keys::TARGET_BURST_CAPACITY, "autoscaling.knative.dev/targetBurstCapacity");
pub const PANIC_WINDOW_PERCENTAGE: Key =
    key(keys::PANIC_WINDOW_PERCENTAGE, "autoscaling.knative.dev/panicWindowPercentage");
pub const PANIC_THRESHOLD_PERCENTAGE: Key =
    key(keys::PANIC_THRESHOLD_PERCENTAGE, "autoscaling.knative.dev/panicThresholdPercentage");
pub const SCALE_DOWN_DELAY: Key =
    key(keys::SCALE_DOWN_DELAY, "autoscaling.knative.dev/scaleDownDelay");
pub const SCALE_TO_ZERO_RETENTION: Key =
    key(keys::SCALE_TO_ZERO_RETENTION, "autoscaling.knative.dev/scaleToZeroPodRetentionPeriod");
pub const METRIC_AGGREGATION: Key =
    key(keys::METRIC_AGGREGATION, "autoscaling.knative.dev/metricAggregationAlgorithm");
pub const ROLLOUT_DURATION: Key =
    key(keys::ROLLOUT_DURATION, "serving.knative.dev/rolloutDuration");
pub const PROGRESS_DEADLINE: Key = only(keys::PROGRESS_DEADLINE);
/// Where both spellings are set, Knative reads the old one.
pub const HTTP_PROTOCOL: Key =
    key("networking.knative.dev/httpOption", "networking.knative.dev/http-protocol");

/// The spellings, the one that Knative reads first in front.
pub const DISABLE_EXTERNAL_DOMAIN_TLS: [&str; 3] = [
    "networking.knative.dev/disableAutoTLS",
    "networking.knative.dev/disable-auto-tls",
    "networking.knative.dev/disable-external-domain-tls",
];

/// All keys that concern scaling.
pub const AUTOSCALING: [Key; 15] = [
    CLASS,
    METRIC,
    TARGET,
    WINDOW,
    ACTIVATION_SCALE,
    MIN_SCALE,
    MAX_SCALE,
    INITIAL_SCALE,
    TARGET_UTILIZATION,
    TARGET_BURST_CAPACITY,
    PANIC_WINDOW_PERCENTAGE,
    PANIC_THRESHOLD_PERCENTAGE,
    SCALE_DOWN_DELAY,
    SCALE_TO_ZERO_RETENTION,
    METRIC_AGGREGATION,
];

impl Key {
    /// Whether `name` is one of its spellings.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.name == name || self.old == Some(name)
    }

    /// The spelling in use and its value.
    #[must_use]
    pub fn get(self, annotations: &BTreeMap<String, String>) -> Option<(&'static str, &str)> {
        let spelled = |name: &'static str| annotations.get(name).map(|v| (name, v.as_str()));
        spelled(self.name).or_else(|| self.old.and_then(spelled))
    }
}

/// The unit of load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    #[default]
    Concurrency,
    /// Requests per second.
    Rps,
}

/// How reports of the stable window are weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    #[default]
    Linear,
    WeightedExponential,
}

/// Reads the annotations of one revision.
#[derive(Clone, Copy, Debug)]
pub struct Autoscaling<'a> {
    annotations: &'a BTreeMap<String, String>,
    config: &'a AutoscalerConfig,
}

impl<'a> Autoscaling<'a> {
    #[must_use]
    pub fn new(annotations: &'a BTreeMap<String, String>, config: &'a AutoscalerConfig) -> Self {
        Self { annotations, config }
    }

    #[must_use]
    pub fn class(self) -> &'a str {
        CLASS.get(self.annotations).map_or(&self.config.pod_autoscaler_class, |(_, v)| v)
    }

    #[must_use]
    pub fn metric(self) -> Metric {
        match METRIC.get(self.annotations) {
            Some((_, "rps")) => Metric::Rps,
            Some(_) | None => Metric::Concurrency,
        }
    }

    #[must_use]
    pub fn aggregation(self) -> Aggregation {
        match METRIC_AGGREGATION.get(self.annotations) {
            Some((_, "weighted-exponential" | "weightedExponential")) => {
                Aggregation::WeightedExponential
            }
            Some(_) | None => Aggregation::Linear,
        }
    }

    /// The target load of one pod, before utilization.
    #[must_use]
    pub fn target(self) -> Option<f64> {
        self.float(TARGET).filter(|t| *t > 0.0)
    }

    /// The target utilization of a pod, 0 to 1.
    #[must_use]
    pub fn utilization(self) -> f64 {
        let written = self.float(TARGET_UTILIZATION).filter(|p| (1.0..=100.0).contains(p));
        match (written, self.metric()) {
            (Some(percentage), _) => percentage / 100.0,
            (None, Metric::Concurrency) => self.config.container_concurrency_target_fraction,
            (None, Metric::Rps) => limits::TARGET_UTILIZATION,
        }
    }

    #[must_use]
    pub fn target_burst_capacity(self) -> BurstCapacity {
        self.float(TARGET_BURST_CAPACITY)
            .and_then(BurstCapacity::from_number)
            .unwrap_or(self.config.target_burst_capacity)
    }

    #[must_use]
    pub fn min_scale(self) -> u32 {
        self.scale(MIN_SCALE).unwrap_or(self.config.min_scale)
    }

    /// None is no limit.
    #[must_use]
    pub fn max_scale(self) -> Option<u32> {
        match self.scale(MAX_SCALE) {
            Some(0) => None,
            Some(max) => Some(max),
            None => self.config.max_scale,
        }
    }

    /// Pods at creation. Zero only where the cluster allows it.
    #[must_use]
    pub fn initial_scale(self) -> u32 {
        self.scale(INITIAL_SCALE)
            .filter(|n| *n > 0 || self.config.allow_zero_initial_scale)
            .unwrap_or(self.config.initial_scale)
    }

    /// The minimum number of pods when scaling from zero.
    #[must_use]
    pub fn activation_scale(self) -> Option<u32> {
        self.scale(ACTIVATION_SCALE)
    }

    #[must_use]
    pub fn window(self) -> Duration {
        let least = limits::WINDOW_MIN;
        self.duration(WINDOW, least).unwrap_or(self.config.stable_window)
    }

    /// Percentage of the stable window, 1 to 100.
    #[must_use]
    pub fn panic_window_percentage(self) -> f64 {
        self.float(PANIC_WINDOW_PERCENTAGE)
            .filter(|p| limits::PANIC_WINDOW_PERCENTAGE.contains(p))
            .unwrap_or(self.config.panic_window_percentage)
    }

    #[must_use]
    pub fn panic_threshold_percentage(self) -> f64 {
        self.float(PANIC_THRESHOLD_PERCENTAGE)
            .filter(|p| limits::PANIC_THRESHOLD_PERCENTAGE.contains(p))
            .unwrap_or(self.config.panic_threshold_percentage)
    }

    #[must_use]
    pub fn scale_down_delay(self) -> Duration {
        let least = GoDuration::default();
        self.duration(SCALE_DOWN_DELAY, least).unwrap_or(self.config.scale_down_delay)
    }

    #[must_use]
    pub fn scale_to_zero_retention(self) -> Duration {
        self.duration(SCALE_TO_ZERO_RETENTION, GoDuration::default())
            .unwrap_or(self.config.scale_to_zero_pod_retention_period)
    }

    fn float(self, key: Key) -> Option<f64> {
        key.get(self.annotations)?.1.parse().ok().filter(|n: &f64| n.is_finite())
    }

    fn scale(self, key: Key) -> Option<u32> {
        key.get(self.annotations)?.1.parse().ok().filter(|n| *n <= i32::MAX.unsigned_abs())
    }

    fn duration(self, key: Key, least: GoDuration) -> Option<Duration> {
        duration(key, self.annotations, least, limits::WINDOW_MAX)
    }
}

/// How long a Revision may take until it is ready, if its annotation says so.
#[must_use]
pub fn progress_deadline(annotations: &BTreeMap<String, String>) -> Option<Duration> {
    duration(PROGRESS_DEADLINE, annotations, GoDuration::default(), PROGRESS_DEADLINE_MAX)
}

/// How long a Route takes to move traffic to a new Revision, if its annotation says so.
#[must_use]
pub fn rollout_duration(annotations: &BTreeMap<String, String>) -> Option<Duration> {
    duration(ROLLOUT_DURATION, annotations, GoDuration::default(), GoDuration::MAX)
}

/// What plain http is for the hosts of a Route or DomainMapping, if its annotation says so.
#[must_use]
pub fn http_protocol(annotations: &BTreeMap<String, String>) -> Option<HttpProtocol> {
    match HTTP_PROTOCOL.get(annotations)?.1.to_ascii_lowercase().as_str() {
        "enabled" => Some(HttpProtocol::Enabled),
        "redirected" => Some(HttpProtocol::Redirected),
        _ => None,
    }
}

/// Whether the hosts of a Route or DomainMapping are left out of `external-domain-tls`.
#[must_use]
pub fn disables_external_domain_tls(annotations: &BTreeMap<String, String>) -> bool {
    let said = DISABLE_EXTERNAL_DOMAIN_TLS.iter().find_map(|key| annotations.get(*key));
    said.is_some_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

fn duration(
    key: Key,
    annotations: &BTreeMap<String, String>,
    least: GoDuration,
    most: GoDuration,
) -> Option<Duration> {
    let read = GoDuration::parse(key.get(annotations)?.1).ok()?;
    (least..=most).contains(&read).then(|| read.to_std())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| (format!("{}{k}", keys::AUTOSCALING_PREFIX), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn absent_annotations_mean_the_clusters_settings() {
        let config = AutoscalerConfig { min_scale: 2, ..Default::default() };
        let none = BTreeMap::new();
        let read = Autoscaling::new(&none, &config);
        assert_eq!((read.min_scale(), read.max_scale(), read.initial_scale()), (2, None, 1));
        assert_eq!(read.window(), Duration::from_secs(60));
        assert_eq!(read.metric(), Metric::Concurrency);
        assert_eq!(read.target(), None);
        assert_eq!(read.class(), keys::CLASS_KPA);
        assert!((read.utilization() - 0.7).abs() < 1e-9);
    }

    #[test]
    fn both_spellings_are_read_and_the_new_one_wins() {
        let config = AutoscalerConfig::default();
        let said = annotations(&[
            ("minScale", "3"),
            ("maxScale", "5"),
            ("max-scale", "9"),
            ("metric", "rps"),
            ("target", "150"),
            ("targetUtilizationPercentage", "80"),
            ("window", "30s"),
            ("scale-to-zero-pod-retention-period", "1m5s"),
            ("target-burst-capacity", "-1"),
        ]);
        let read = Autoscaling::new(&said, &config);
        assert_eq!((read.min_scale(), read.max_scale()), (3, Some(9)));
        assert_eq!(read.metric(), Metric::Rps);
        assert_eq!(read.target(), Some(150.0));
        assert!((read.utilization() - 0.8).abs() < 1e-9);
        assert_eq!(read.window(), Duration::from_secs(30));
        assert_eq!(read.scale_to_zero_retention(), Duration::from_secs(65));
        assert_eq!(read.target_burst_capacity(), BurstCapacity::Unlimited);
    }

    #[test]
    fn invalid_annotations_count_as_absent() {
        let config = AutoscalerConfig::default();
        let said = annotations(&[("min-scale", "-1"), ("window", "x"), ("initial-scale", "0")]);
        let read = Autoscaling::new(&said, &config);
        assert_eq!((read.min_scale(), read.initial_scale()), (0, 1));
        assert_eq!(read.window(), Duration::from_secs(60));
    }
}

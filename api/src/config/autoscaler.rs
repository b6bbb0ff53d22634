//! `config-autoscaler`: the cluster's settings for the KPA.
//!
//! Upstream: `pkg/autoscaler/config/config.go`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::read::Reader;
use super::settings::{ConfigError, Data, Settings};
use crate::terms::keys;
use rouse_k8s::GoDuration;

/// The minimum target load of a pod.
pub const TARGET_MIN: f64 = 0.01;
/// Target utilization, for requests per second and by default for concurrency.
pub const TARGET_UTILIZATION: f64 = 0.7;
pub const WINDOW_MIN: GoDuration = GoDuration::from_secs(6);
pub const WINDOW_MAX: GoDuration = GoDuration::from_secs(3600);
pub const PANIC_WINDOW_PERCENTAGE_MIN: f64 = 1.0;
pub const PANIC_WINDOW_PERCENTAGE_MAX: f64 = 100.0;
/// Of a revision's annotation; the cluster's setting may be any positive number.
pub const PANIC_THRESHOLD_PERCENTAGE_MIN: f64 = 110.0;
pub const PANIC_THRESHOLD_PERCENTAGE_MAX: f64 = 1000.0;
pub(crate) const PANIC_WINDOW_PERCENTAGE: RangeInclusive<f64> =
    PANIC_WINDOW_PERCENTAGE_MIN..=PANIC_WINDOW_PERCENTAGE_MAX;
pub(crate) const PANIC_THRESHOLD_PERCENTAGE: RangeInclusive<f64> =
    PANIC_THRESHOLD_PERCENTAGE_MIN..=PANIC_THRESHOLD_PERCENTAGE_MAX;

/// Settings of revisions without annotations of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscalerConfig {
    /// Target utilization by concurrency, 0 to 1.
    pub container_concurrency_target_fraction: f64,
    /// Target of a pod without a limit of its own, in requests in flight.
    pub container_concurrency_target_default: f64,
    pub requests_per_second_target_default: f64,
    /// Validated and reported; the activator is always in the path.
    pub target_burst_capacity: BurstCapacity,
    pub stable_window: Duration,
    pub panic_window_percentage: f64,
    pub panic_threshold_percentage: f64,
    pub max_scale_up_rate: f64,
    pub max_scale_down_rate: f64,
    pub enable_scale_to_zero: bool,
    pub scale_to_zero_grace_period: Duration,
    pub scale_to_zero_pod_retention_period: Duration,
    pub scale_down_delay: Duration,
    pub pod_autoscaler_class: String,
    pub activator_capacity: f64,
    pub initial_scale: u32,
    pub allow_zero_initial_scale: bool,
    pub min_scale: u32,
    /// None is no limit.
    pub max_scale: Option<u32>,
    /// The highest `max-scale` that users may set; None is no limit.
    pub max_scale_limit: Option<u32>,
}

/// `target-burst-capacity`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BurstCapacity {
    /// -1 on the wire.
    Unlimited,
    Requests(f64),
}

impl BurstCapacity {
    /// From the number on the wire.
    #[must_use]
    pub fn from_number(number: f64) -> Option<Self> {
        if number >= 0.0 {
            Some(Self::Requests(number))
        } else {
            #[expect(clippy::float_cmp, reason = "-1 is a mark, not a measurement")]
            (number == -1.0).then_some(Self::Unlimited)
        }
    }
}

impl Default for AutoscalerConfig {
    fn default() -> Self {
        Self {
            container_concurrency_target_fraction: TARGET_UTILIZATION,
            container_concurrency_target_default: 100.0,
            requests_per_second_target_default: 200.0,
            target_burst_capacity: BurstCapacity::Requests(211.0),
            stable_window: Duration::from_secs(60),
            panic_window_percentage: 10.0,
            panic_threshold_percentage: 200.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            enable_scale_to_zero: true,
            scale_to_zero_grace_period: Duration::from_secs(30),
            scale_to_zero_pod_retention_period: Duration::ZERO,
            scale_down_delay: Duration::ZERO,
            pod_autoscaler_class: keys::CLASS_KPA.to_owned(),
            activator_capacity: 100.0,
            initial_scale: 1,
            allow_zero_initial_scale: false,
            min_scale: 0,
            max_scale: None,
            max_scale_limit: None,
        }
    }
}

impl Settings for AutoscalerConfig {
    const NAME: &'static str = "config-autoscaler";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let read = Reader(data);
        let mut config = Self::default();
        read.text("pod-autoscaler-class", &mut config.pod_autoscaler_class);
        read.bool("enable-scale-to-zero", &mut config.enable_scale_to_zero)?;
        read.bool("allow-zero-initial-scale", &mut config.allow_zero_initial_scale)?;
        config.read_rates(read)?;
        config.read_times(read)?;
        config.read_scales(read)?;
        Ok(config)
    }
}

fn refuse<T>(key: &str, problem: String) -> Result<T, ConfigError> {
    Err(ConfigError::new(key, problem))
}

impl AutoscalerConfig {
    fn read_rates(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        let mut burst = 211.0;
        read.float("max-scale-up-rate", &mut self.max_scale_up_rate)?;
        read.float("max-scale-down-rate", &mut self.max_scale_down_rate)?;
        let fraction = &mut self.container_concurrency_target_fraction;
        read.float("container-concurrency-target-percentage", fraction)?;
        read.float(
            "container-concurrency-target-default",
            &mut self.container_concurrency_target_default,
        )?;
        read.float(
            "requests-per-second-target-default",
            &mut self.requests_per_second_target_default,
        )?;
        read.float("target-burst-capacity", &mut burst)?;
        read.float("panic-window-percentage", &mut self.panic_window_percentage)?;
        read.float("activator-capacity", &mut self.activator_capacity)?;
        read.float("panic-threshold-percentage", &mut self.panic_threshold_percentage)?;
        // A value up to 1 is a fraction already, the older notation.
        if self.container_concurrency_target_fraction > 1.0 {
            self.container_concurrency_target_fraction /= 100.0;
        }
        self.target_burst_capacity = match BurstCapacity::from_number(burst) {
            Some(capacity) => capacity,
            None => refuse(
                "target-burst-capacity",
                format!(
                    "target-burst-capacity must be either non-negative or -1 (for unlimited), was: {burst:.6}"
                ),
            )?,
        };
        self.check_rates()
    }

    fn check_rates(&self) -> Result<(), ConfigError> {
        let fraction = self.container_concurrency_target_fraction;
        if fraction <= 0.0 || fraction > 1.0 {
            let key = "container-concurrency-target-percentage";
            return refuse(
                key,
                format!("{key} = {fraction:.6} is outside of valid range of (0, 100]"),
            );
        }
        let target = fraction * self.container_concurrency_target_default;
        if target < TARGET_MIN {
            return refuse(
                "container-concurrency-target-default",
                format!(
                    "container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency of {target}, can't be less than {TARGET_MIN}"
                ),
            );
        }
        let rps = self.requests_per_second_target_default;
        if rps < TARGET_MIN {
            let key = "requests-per-second-target-default";
            return refuse(key, format!("{key} must be at least {TARGET_MIN}, was: {rps}"));
        }
        if self.activator_capacity < 1.0 {
            return refuse(
                "activator-capacity",
                format!("activator-capacity = {}, must be at least 1", self.activator_capacity),
            );
        }
        for (key, rate) in [
            ("max-scale-up-rate", self.max_scale_up_rate),
            ("max-scale-down-rate", self.max_scale_down_rate),
        ] {
            if rate <= 1.0 {
                return refuse(key, format!("{key} = {rate}, must be greater than 1.0"));
            }
        }
        let percentage = self.panic_window_percentage;
        if !PANIC_WINDOW_PERCENTAGE.contains(&percentage) {
            let (least, most) = PANIC_WINDOW_PERCENTAGE.into_inner();
            let key = "panic-window-percentage";
            let problem = format!("{key} = {percentage}, must be in [{least}, {most}] interval");
            return refuse(key, problem);
        }
        // Knative accepts any; at zero or less every revision would be in panic mode for ever.
        if self.panic_threshold_percentage <= 0.0 {
            let key = "panic-threshold-percentage";
            let problem = format!("{key} = {}, must be positive", self.panic_threshold_percentage);
            return refuse(key, problem);
        }
        Ok(())
    }

    fn read_times(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        let mut window = GoDuration::from(self.stable_window);
        let mut grace = GoDuration::from(self.scale_to_zero_grace_period);
        let mut retention = GoDuration::default();
        let mut delay = GoDuration::default();
        read.duration("stable-window", &mut window)?;
        read.duration("scale-to-zero-grace-period", &mut grace)?;
        read.duration("scale-to-zero-pod-retention-period", &mut retention)?;
        read.duration("scale-down-delay", &mut delay)?;
        if grace <= GoDuration::default() {
            let key = "scale-to-zero-grace-period";
            return refuse(key, format!("{key} must be positive, was: {grace}"));
        }
        for (key, value) in
            [("scale-down-delay", delay), ("scale-to-zero-pod-retention-period", retention)]
        {
            if value.is_negative() {
                return refuse(key, format!("{key} cannot be negative, was: {value}"));
            }
        }
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) {
            return refuse(
                "stable-window",
                format!("stable-window = {window}, must be in [{WINDOW_MIN}; {WINDOW_MAX}] range"),
            );
        }
        for (key, value) in [("scale-down-delay", delay), ("stable-window", window)] {
            if !value.is_whole_seconds() {
                let text = "must be specified with at most second precision";
                return refuse(key, format!("{key} = {value}, {text}"));
            }
        }
        self.stable_window = window.to_std();
        self.scale_to_zero_grace_period = grace.to_std();
        self.scale_to_zero_pod_retention_period = retention.to_std();
        self.scale_down_delay = delay.to_std();
        Ok(())
    }

    fn read_scales(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        let (mut initial, mut min, mut max, mut limit) = (1_i32, 0_i32, 0_i32, 0_i32);
        read.int("initial-scale", &mut initial)?;
        read.int("min-scale", &mut min)?;
        read.int("max-scale", &mut max)?;
        read.int("max-scale-limit", &mut limit)?;
        if initial < 0 || (initial == 0 && !self.allow_zero_initial_scale) {
            return refuse(
                "initial-scale",
                format!(
                    "initial-scale = {initial}, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)"
                ),
            );
        }
        if min < 0 {
            return refuse("min-scale", format!("min-scale = {min}, must be at least 0"));
        }
        let least_max = i32::from(limit > 0);
        if max < least_max || (limit > 0 && max > limit) {
            return refuse(
                "max-scale",
                format!(
                    "max-scale = {max}, must be in [{least_max}, max-scale-limit({limit})] range"
                ),
            );
        }
        if limit < 0 {
            let problem = format!("max-scale-limit = {limit}, must be at least 0");
            return refuse("max-scale-limit", problem);
        }
        if min > max && max > 0 {
            let problem = format!("min-scale ({min}) must be less than max-scale ({max})");
            return refuse("min-scale", problem);
        }
        let positive = |n: i32| u32::try_from(n).ok().filter(|n| *n > 0);
        self.initial_scale = initial.unsigned_abs();
        self.min_scale = min.unsigned_abs();
        self.max_scale = positive(max);
        self.max_scale_limit = positive(limit);
        Ok(())
    }
}

//! Annotations: autoscaling, networking, timing.
//!
//! Upstream: `pkg/apis/autoscaling/annotation_validation.go`, `pkg/apis/serving/v1/
//! revision_validation.go`, `vendor/knative.dev/networking/pkg/apis/networking/
//! metadata_validation.go`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::foreign;
use crate::config::AutoscalerConfig;
use crate::config::annotations as keyed;
use crate::config::annotations::Key;
use crate::config::autoscaler as limits;
use crate::config::deployment::PROGRESS_DEADLINE_MAX;
use crate::terms::field_error::{CURRENT_FIELD, FieldError, FieldErrors};
use crate::terms::keys;
use rouse_k8s::GoDuration;
use rouse_k8s::Quantity;

type Annotations = BTreeMap<String, String>;

/// Annotations of a template.
pub(super) fn template(annotations: &Annotations, config: &AutoscalerConfig) -> FieldErrors {
    let mut errors = autoscaling(annotations, config);
    errors.extend(networking(annotations));
    errors.extend(sidecar(annotations));
    errors.extend(seconds(annotations, keyed::PROGRESS_DEADLINE, "progress-deadline"));
    errors.extend(queue_limit(annotations));
    errors.extend(foreign::without_effect(annotations));
    errors
}

/// How long a Route takes to move traffic to a new Revision.
pub(super) fn rollout_duration(annotations: &Annotations) -> FieldErrors {
    seconds(annotations, keyed::ROLLOUT_DURATION, "rollout-duration")
}

/// What plain http is for the hosts of an object.
pub(super) fn http_protocol(annotations: &Annotations) -> FieldErrors {
    let said = keyed::HTTP_PROTOCOL.get(annotations).filter(|(_, value)| !value.is_empty());
    match said {
        Some((key, value)) if keyed::http_protocol(annotations).is_none() => {
            FieldError::invalid(value, key).with_details("write enabled or redirected").into()
        }
        Some(_) | None => FieldErrors::none(),
    }
}

/// Autoscaling annotations, of a template or a Revision.
pub(super) fn autoscaling(annotations: &Annotations, config: &AutoscalerConfig) -> FieldErrors {
    let mut errors = class(annotations);
    errors.extend(scales(annotations, config));
    errors.extend(floats(annotations));
    errors.extend(times(annotations));
    errors.extend(metric(annotations, config));
    errors.extend(initial_scale(annotations, config));
    errors
}

fn class(annotations: &Annotations) -> FieldErrors {
    let mut errors = FieldErrors::none();
    if let Some((key, class)) = keyed::CLASS.get(annotations) {
        let known = [keys::CLASS_KPA, keys::CLASS_HPA].contains(&class);
        if class.ends_with(".knative.dev") && !known {
            errors.push(FieldError::invalid(class, key));
        }
    }
    let algorithm = keyed::METRIC_AGGREGATION.get(annotations);
    let is_kpa = keyed::CLASS.get(annotations).is_some_and(|(_, class)| class == keys::CLASS_KPA);
    if let (true, Some((key, value))) = (is_kpa, algorithm) {
        let known = ["", "linear", "weighted-exponential", "weightedExponential"];
        if !known.contains(&value) {
            errors.push(FieldError::invalid(value, key));
        }
    }
    errors
}

/// Zero where it is absent or wrong, like upstream, so that one mistake is reported once.
fn scale(annotations: &Annotations, key: Key, errors: &mut FieldErrors) -> i32 {
    let Some((key, raw)) = key.get(annotations) else { return 0 };
    match raw.parse::<i128>().map(i32::try_from) {
        Ok(Ok(number)) if number >= 0 => return number,
        Ok(_) => errors.push(FieldError::out_of_bounds(raw, 0, i32::MAX, key)),
        Err(_) => errors.push(FieldError::invalid(raw, key)),
    }
    0
}

fn scales(annotations: &Annotations, config: &AutoscalerConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let min = scale(annotations, keyed::MIN_SCALE, &mut errors);
    let max = scale(annotations, keyed::MAX_SCALE, &mut errors);
    if max != 0 && max < min {
        let message = format!("max-scale={max} is less than min-scale={min}");
        errors.push(FieldError::about(message, &[keys::MAX_SCALE, keys::MIN_SCALE]));
    }
    if let (Some((key, _)), Some(limit)) =
        (keyed::MAX_SCALE.get(annotations), config.max_scale_limit)
    {
        if max == 0 {
            let message = format!("max-scale=0 (unlimited), must be less than {limit}");
            errors.push(FieldError::new(message, key));
        } else if max.unsigned_abs() > limit {
            errors.push(FieldError::out_of_bounds(max, 1, limit, key));
        }
    }
    if let Some((key, raw)) = keyed::ACTIVATION_SCALE.get(annotations) {
        let problem = match raw.parse::<i32>() {
            Err(_) => Some(format!("invalid value: {raw}")),
            Ok(n) if min > n => {
                Some(format!("min-scale={min} is greater than activation-scale={n}"))
            }
            Ok(n) if max < n && max != 0 => {
                Some(format!("max-scale={max} is less than activation-scale={n}"))
            }
            Ok(n) if n < 2 => Some(format!("activation-scale={n} must be greater than 1")),
            Ok(_) => None,
        };
        if let Some(problem) = problem {
            errors.push(FieldError::new(problem, key));
        }
    }
    errors
}

fn initial_scale(annotations: &Annotations, config: &AutoscalerConfig) -> FieldErrors {
    let Some((key, raw)) = keyed::INITIAL_SCALE.get(annotations) else {
        return FieldErrors::none();
    };
    match raw.parse::<i32>() {
        Err(_) => FieldError::invalid(raw, key).into(),
        Ok(n) if n < 0 => FieldError::invalid(raw, &format!("{key} must be greater than 0")).into(),
        Ok(0) if !config.allow_zero_initial_scale => {
            FieldError::invalid(raw, &format!("{key}=0 not allowed by cluster")).into()
        }
        Ok(_) => FieldErrors::none(),
    }
}

fn floats(annotations: &Annotations) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let mut check = |key: Key, problem: &dyn Fn(&str, f64, &str) -> Option<FieldError>| {
        let Some((key, raw)) = key.get(annotations) else { return };
        match raw.parse::<f64>().ok().filter(|number| number.is_finite()) {
            None => errors.push(FieldError::invalid(raw, key)),
            Some(number) => errors.extend(
                problem(raw, number, key).map_or_else(FieldErrors::none, FieldErrors::from),
            ),
        }
    };
    let within = |range: RangeInclusive<f64>| {
        move |raw: &str, number: f64, key: &str| {
            (!range.contains(&number))
                .then(|| FieldError::out_of_bounds(raw, range.start(), range.end(), key))
        }
    };
    check(keyed::PANIC_WINDOW_PERCENTAGE, &within(limits::PANIC_WINDOW_PERCENTAGE));
    check(keyed::PANIC_THRESHOLD_PERCENTAGE, &within(limits::PANIC_THRESHOLD_PERCENTAGE));
    check(keyed::TARGET_UTILIZATION, &within(1.0..=100.0));
    check(keyed::TARGET, &|raw, number, key| {
        let message = format!("target {raw} should be at least {}", limits::TARGET_MIN);
        (number < limits::TARGET_MIN).then(|| FieldError::new(message, key))
    });
    check(keyed::TARGET_BURST_CAPACITY, &|raw, number, key| {
        limits::BurstCapacity::from_number(number).is_none().then(|| FieldError::invalid(raw, key))
    });
    errors
}

fn times(annotations: &Annotations) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let zero = GoDuration::default();
    for (key, least, whole_seconds) in [
        (keyed::WINDOW, limits::WINDOW_MIN, true),
        (keyed::SCALE_DOWN_DELAY, zero, true),
        (keyed::SCALE_TO_ZERO_RETENTION, zero, false),
    ] {
        let Some((key, raw)) = key.get(annotations) else { continue };
        match GoDuration::parse(raw) {
            Err(_) => errors.push(FieldError::invalid(raw, key)),
            Ok(time) if !(least..=limits::WINDOW_MAX).contains(&time) => {
                errors.push(FieldError::out_of_bounds(raw, least, limits::WINDOW_MAX, key));
            }
            Ok(time) if whole_seconds && !time.is_whole_seconds() => {
                let message = "must be specified with at most second precision";
                errors.push(FieldError::new(message, key));
            }
            Ok(_) => {}
        }
    }
    errors
}

fn metric(annotations: &Annotations, config: &AutoscalerConfig) -> FieldErrors {
    let Some((key, metric)) = keyed::METRIC.get(annotations) else {
        return FieldErrors::none();
    };
    let class =
        keyed::CLASS.get(annotations).map_or(config.pod_autoscaler_class.as_str(), |(_, c)| c);
    let known = match class {
        keys::CLASS_KPA => matches!(metric, "concurrency" | "rps"),
        keys::CLASS_HPA => !metric.is_empty(),
        // Another autoscaler knows its own metrics.
        _ => true,
    };
    if known { FieldErrors::none() } else { FieldError::invalid(metric, key).into() }
}

const NETWORKING: [&str; 9] = [
    "networking.knative.dev/ingress.class",
    "networking.knative.dev/ingress-class",
    "networking.knative.dev/certificate.class",
    "networking.knative.dev/certificate-class",
    "networking.knative.dev/disableAutoTLS",
    "networking.knative.dev/disable-auto-tls",
    "networking.knative.dev/disable-external-domain-tls",
    "networking.knative.dev/httpOption",
    "networking.knative.dev/http-protocol",
];

fn networking(annotations: &Annotations) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for key in annotations.keys().filter(|key| key.starts_with("networking.knative.dev")) {
        if !NETWORKING.contains(&key.as_str()) {
            errors.push(FieldError::invalid_key(key, CURRENT_FIELD));
        }
    }
    errors
}

const SIDECAR_PREFIX: &str = "queue.sidecar.serving.knative.dev/";
const SIDECAR_QUANTITIES: [&str; 12] = [
    "cpu-resource-request",
    "cpuResourceRequest",
    "cpu-resource-limit",
    "cpuResourceLimit",
    "memory-resource-request",
    "memoryResourceRequest",
    "memory-resource-limit",
    "memoryResourceLimit",
    "ephemeral-storage-resource-request",
    "ephemeralStorageResourceRequest",
    "ephemeral-storage-resource-limit",
    "ephemeralStorageResourceLimit",
];

/// Settings of the queue-proxy: checked, although Rouse has none.
fn sidecar(annotations: &Annotations) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (key, raw) in annotations {
        let Some(name) = key.strip_prefix(SIDECAR_PREFIX) else { continue };
        let path = format!("[{key}]");
        if matches!(name, "resource-percentage" | "resourcePercentage") {
            match raw.parse::<f64>() {
                Err(_) => errors.push(FieldError::invalid(raw, &path)),
                Ok(n) if !(0.1..=100.0).contains(&n) => {
                    errors.push(FieldError::out_of_bounds(n, 0.1, 100, &path));
                }
                Ok(_) => {}
            }
        } else if SIDECAR_QUANTITIES.contains(&name) && Quantity::parse(raw).is_err() {
            errors.push(FieldError::invalid(raw, &path));
        }
    }
    errors
}

/// Whole seconds, not negative, and no more than a Deployment can hold.
fn seconds(annotations: &Annotations, key: Key, name: &str) -> FieldErrors {
    let Some((key, raw)) = key.get(annotations).filter(|(_, raw)| !raw.is_empty()) else {
        return FieldErrors::none();
    };
    match GoDuration::parse(raw) {
        Err(_) => FieldError::invalid(raw, key).into(),
        Ok(time) if !time.is_whole_seconds() => {
            FieldError::new(format!("{name}={raw} is not at second precision"), key).into()
        }
        Ok(time) if time.is_negative() => {
            FieldError::new(format!("{name}={raw} must be positive"), key).into()
        }
        Ok(time) if time > PROGRESS_DEADLINE_MAX => {
            FieldError::new(format!("{name}={raw} is more than {PROGRESS_DEADLINE_MAX}"), key)
                .into()
        }
        Ok(_) => FieldErrors::none(),
    }
}

/// Rouse's own annotation: how many requests may wait.
fn queue_limit(annotations: &Annotations) -> FieldErrors {
    match annotations.get(keys::QUEUE_LIMIT).map(|raw| (raw, raw.parse::<u32>())) {
        Some((raw, Err(_) | Ok(0))) => {
            FieldError::out_of_bounds(raw, 1, u32::MAX, keys::QUEUE_LIMIT).into()
        }
        Some((_, Ok(_))) | None => FieldErrors::none(),
    }
}

#[cfg(test)]
mod tests;

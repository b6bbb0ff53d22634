//! Every numeric key of every ConfigMap.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rouse_api::config::autoscaler::{self, BurstCapacity};
use rouse_api::config::{ApiConfig, ConfigError, Data};
use rouse_api::{defaults, validation};
use rouse_k8s::{GoDuration, Quantity};

use crate::numbers::TEXTS;
use crate::{manifests, minimal};

/// Numeric keys that the examples do not show, since they are unset by default, and old spellings.
const NOT_SHOWN: [(&str, &str); 37] = [
    ("config-autoscaler", "activator-capacity"),
    ("config-autoscaler", "scale-to-zero-grace-period"),
    ("config-defaults", "revision-cpu-request"),
    ("config-defaults", "revision-cpu-limit"),
    ("config-defaults", "revision-memory-request"),
    ("config-defaults", "revision-memory-limit"),
    ("config-defaults", "revision-ephemeral-storage-request"),
    ("config-defaults", "revision-ephemeral-storage-limit"),
    ("config-deployment", "digest-resolution-timeout"),
    ("config-deployment", "digestResolutionTimeout"),
    ("config-deployment", "progress-deadline"),
    ("config-deployment", "progressDeadline"),
    ("config-deployment", "queue-sidecar-cpu-request"),
    ("config-deployment", "queue-sidecar-cpu-limit"),
    ("config-deployment", "queue-sidecar-memory-request"),
    ("config-deployment", "queue-sidecar-memory-limit"),
    ("config-deployment", "queue-sidecar-ephemeral-storage-request"),
    ("config-deployment", "queue-sidecar-ephemeral-storage-limit"),
    ("config-deployment", "queueSidecarCPURequest"),
    ("config-deployment", "queueSidecarCPULimit"),
    ("config-deployment", "queueSidecarMemoryRequest"),
    ("config-deployment", "queueSidecarMemoryLimit"),
    ("config-deployment", "queueSidecarEphemeralStorageRequest"),
    ("config-deployment", "queueSidecarEphemeralStorageLimit"),
    ("config-gc", "max-non-active-revisions"),
    ("config-gc", "min-non-active-revisions"),
    ("config-gc", "retain-since-create-time"),
    ("config-gc", "retain-since-last-active-time"),
    ("config-network", "rollout-duration"),
    ("config-network", "rolloutDuration"),
    ("config-observability", "tracing-sampling-rate"),
    ("config-autoscaler", "max-scale"),
    ("config-autoscaler", "max-scale-limit"),
    ("config-autoscaler", "initial-scale"),
    ("config-autoscaler", "min-scale"),
    ("config-defaults", "container-concurrency"),
    ("config-defaults", "container-concurrency-max-limit"),
];

/// ConfigMap and key of every setting that is a number, an amount or a length of time.
fn numeric_keys() -> Vec<(String, String)> {
    let mut keys: Vec<(String, String)> =
        NOT_SHOWN.iter().map(|(map, key)| ((*map).to_owned(), (*key).to_owned())).collect();
    for map in manifests("config") {
        let name = map["metadata"]["name"].as_str().unwrap();
        let example = map["data"]["_example"].as_str().unwrap_or_default();
        let shown: Option<BTreeMap<String, String>> = serde_yaml::from_str(example).unwrap();
        for (key, value) in shown.unwrap_or_default() {
            let digit = value.bytes().any(|byte| byte.is_ascii_digit());
            if digit && (Quantity::parse(&value).is_ok() || GoDuration::parse(&value).is_ok()) {
                keys.push((name.to_owned(), key));
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

/// The settings that are out of the range that the platform computes with.
fn out_of_range(config: &ApiConfig) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |what: &str, holds: bool| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let go = Duration::from_nanos(i64::MAX.unsigned_abs());
    let ApiConfig { autoscaler: scaling, defaults, deployment, gc, network: _, .. } = config;
    for (what, number, least, most) in [
        ("fraction", scaling.container_concurrency_target_fraction, f64::MIN_POSITIVE, 1.0),
        ("concurrency", scaling.container_concurrency_target_default, 0.01, f64::MAX),
        ("rps", scaling.requests_per_second_target_default, autoscaler::TARGET_MIN, f64::MAX),
        ("panic window", scaling.panic_window_percentage, 1.0, 100.0),
        ("panic threshold", scaling.panic_threshold_percentage, f64::from_bits(1), f64::MAX),
        ("up", scaling.max_scale_up_rate, 1.0, f64::MAX),
        ("down", scaling.max_scale_down_rate, 1.0, f64::MAX),
        ("sampling", config.observability.tracing_sampling_rate, 0.0, 1.0),
    ] {
        check(what, (least..=most).contains(&number));
    }
    check(
        "burst",
        match scaling.target_burst_capacity {
            BurstCapacity::Unlimited => true,
            BurstCapacity::Requests(number) => number.is_finite() && number >= 0.0,
        },
    );
    check("window", scaling.stable_window <= autoscaler::WINDOW_MAX.to_std());
    check("retention", scaling.scale_to_zero_pod_retention_period <= go);
    check("delay", scaling.scale_down_delay <= go);
    let scales = [scaling.initial_scale, scaling.min_scale];
    let limits = [scaling.max_scale, scaling.max_scale_limit].map(Option::unwrap_or_default);
    check("scales", scales.into_iter().chain(limits).all(|scale| i32::try_from(scale).is_ok()));
    let timeouts = [
        defaults.revision_timeout_seconds,
        defaults.max_revision_timeout_seconds,
        defaults.revision_response_start_timeout_seconds,
        defaults.revision_idle_timeout_seconds,
    ];
    check("timeouts", timeouts.iter().all(|seconds| (0..=i64::from(i32::MAX)).contains(seconds)));
    let concurrency = [defaults.container_concurrency, defaults.container_concurrency_max_limit];
    check("concurrency", concurrency.iter().all(|n| (0..=i64::from(i32::MAX)).contains(n)));
    let amounts = defaults.requests.iter().chain(defaults.limits.iter());
    let amounts: Vec<_> = amounts.map(|(_, text)| Quantity::parse(text)).collect();
    check("amounts", amounts.iter().all(|amount| amount.is_ok_and(|a| !a.is_negative())));
    let deadline = deployment.progress_deadline.as_secs();
    check("deadline", deadline >= 1 && i32::try_from(deadline).is_ok());
    let ages = [gc.retain_since_create_time, gc.retain_since_last_active_time];
    check("ages", ages.into_iter().flatten().all(|age| age <= go));
    found
}

/// The problems of a minimal Service under these settings.
fn refused(config: &ApiConfig) -> String {
    let mut object = minimal();
    defaults::service(&mut object, defaults::Request { config, user: "alice", old: None });
    validation::service(&object, validation::Request { config, old: None }).split().0.to_string()
}

fn check(data: &[(String, String, String)]) -> Result<Vec<ConfigError>, String> {
    let mut maps: BTreeMap<&str, Data> = BTreeMap::new();
    for (map, key, text) in data {
        maps.entry(map).or_default().insert(key.clone(), text.clone());
    }
    let mut config = ApiConfig::default();
    let mut errors = Vec::new();
    for (map, data) in &maps {
        if let Err(error) = config.apply(map, data) {
            // Of several keys that contradict one another any may be named, and of two spellings either.
            let plain = |text: &str| text.replace('-', "").to_lowercase();
            let told = plain(&format!("{}: {}", error.key, error.problem));
            if !data.keys().any(|key| told.contains(&plain(key))) {
                return Err(format!("{data:?}: no key is named: {error:?}"));
            }
            errors.push(error);
        }
    }
    let found = out_of_range(&config);
    if !found.is_empty() {
        return Err(format!("{data:?}: out of range: {found:?}"));
    }
    match refused(&config) {
        text if text.is_empty() => Ok(errors),
        text => Err(format!("{data:?}: a Service without settings is refused: {text}")),
    }
}

#[test]
fn every_extreme_of_every_setting_is_refused_by_name_or_in_range() {
    let keys = numeric_keys();
    assert!(keys.len() >= 50, "{} keys", keys.len());
    let (mut refused, mut problems) = (0, Vec::new());
    for (map, key) in &keys {
        for text in TEXTS {
            let data = [(map.clone(), key.clone(), text.to_owned())];
            match check(&data) {
                Ok(errors) => refused += errors.len(),
                Err(problem) => problems.push(problem),
            }
        }
    }
    let (keys, cases) = (keys.len(), keys.len() * TEXTS.len());
    println!("{keys} settings x {} extremes = {cases} cases, {refused} refused", TEXTS.len());
    assert_eq!(problems, Vec::<String>::new());
    assert!(refused > 0 && refused < cases);
}

fn some_settings() -> impl Strategy<Value = Vec<(String, String, String)>> {
    let one = (prop::sample::select(numeric_keys()), prop::sample::select(TEXTS.to_vec()));
    let one = one.prop_map(|((map, key), text)| (map, key, text.to_owned()));
    prop::collection::vec(one, 1..8)
}

proptest! {
    #[test]
    fn extremes_together_are_refused_by_name_or_in_range(data in some_settings()) {
        prop_assert_eq!(check(&data).err(), None);
    }
}

#[test]
fn a_key_that_is_no_number_is_not_taken_for_one() {
    let keys = numeric_keys();
    let has = |map: &str, key: &str| keys.contains(&(map.to_owned(), key.to_owned()));
    assert!(has("config-autoscaler", "stable-window"));
    assert!(has("config-defaults", "max-revision-timeout-seconds"));
    assert!(!has("config-network", "domain-template"));
    assert!(!keys.iter().any(|(map, _)| map == "config-features" || map == "config-domain"));
}

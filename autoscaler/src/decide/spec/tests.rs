//! Settings and annotations as numbers: every one acts.

use std::collections::BTreeSet;

use rouse_api::config::{ApiConfig, Data, effects};
use rouse_api::{keys, validation};

use super::*;

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
        let spec = spec(&[(keys::WINDOW, window), (keys::PANIC_WINDOW_PERCENTAGE, percentage)], 0);
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

/// What else than its numbers annotations change.
struct Told {
    class: String,
    /// Refusals and warnings of admission, without the annotation's name.
    admission: String,
}

/// The settings of a revision with these annotations, under these keys of `config-autoscaler`.
fn read(settings: &[(&str, &str)], annotations: &[(&str, &str)]) -> (ScalingSpec, Told) {
    let map = |pairs: &[(&str, &str)]| -> Data {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let mut config = ApiConfig::default();
    config.apply("config-autoscaler", &map(settings)).unwrap();
    let mut pa = PodAutoscaler::new("hello-00001", Default::default());
    pa.metadata.annotations = Some(map(annotations));
    let class = Autoscaling::new(&map(annotations), &config.autoscaler).class().to_owned();
    let service = serde_json::json!({
        "metadata": { "name": "hello", "namespace": "shop" },
        "spec": { "traffic": [{ "percent": 100, "latestRevision": true }], "template": {
            "metadata": { "annotations": map(annotations) },
            "spec": { "containers": [{ "name": "user-container", "image": "hello" }] },
        } },
    });
    let found = validation::service(&service, validation::Request { config: &config, old: None });
    let admission =
        annotations.iter().fold(found.to_string(), |text, (key, _)| text.replace(key, "K"));
    let spec = ScalingSpec::new(&pa, &config.autoscaler, Duration::from_secs(600));
    (spec, Told { class, admission })
}

type Pairs = &'static [(&'static str, &'static str)];
/// The first pair is the one that acts; what it changes, as text.
type Acts = (Pairs, Pairs, fn(&ScalingSpec, &Told) -> String, &'static str);

fn seconds(time: Duration) -> String {
    time.as_secs().to_string()
}

/// Numbers of requests, without the noise of their last digits.
fn load(spec: &ScalingSpec) -> String {
    format!("{:.1} of {:.1}", spec.decider.target, spec.decider.total)
}

const SETTINGS: &[Acts] = &[
    (&[("container-concurrency-target-percentage", "50")], &[], |s, _| load(s), "50.0 of 100.0"),
    (&[("container-concurrency-target-percentage", "0.5")], &[], |s, _| load(s), "50.0 of 100.0"),
    (&[("container-concurrency-target-default", "10")], &[], |s, _| load(s), "7.0 of 10.0"),
    (
        &[("requests-per-second-target-default", "100")],
        &[(keys::METRIC, "rps")],
        |s, _| load(s),
        "70.0 of 100.0",
    ),
    (&[("stable-window", "30s")], &[], |s, _| seconds(s.stable_window()), "30"),
    (&[("panic-window-percentage", "20")], &[], |s, _| seconds(s.panic_window), "12"),
    (
        &[("panic-threshold-percentage", "300")],
        &[],
        |s, _| s.decider.panic_threshold.to_string(),
        "3",
    ),
    (&[("max-scale-up-rate", "5")], &[], |s, _| s.decider.rate_up.to_string(), "5"),
    (&[("max-scale-down-rate", "4")], &[], |s, _| s.decider.rate_down.to_string(), "4"),
    (&[("enable-scale-to-zero", "false")], &[], |s, _| s.scale_to_zero.to_string(), "false"),
    (&[("scale-to-zero-pod-retention-period", "70s")], &[], |s, _| seconds(s.retention), "70"),
    (&[("scale-down-delay", "15m")], &[], |s, _| seconds(s.scale_down_delay), "900"),
    (
        &[("pod-autoscaler-class", keys::CLASS_HPA)],
        &[],
        |_, told| told.class.clone(),
        keys::CLASS_HPA,
    ),
    (&[("initial-scale", "3")], &[], |s, _| s.initial.to_string(), "3"),
    (
        &[("allow-zero-initial-scale", "true")],
        &[(keys::INITIAL_SCALE, "0")],
        |s, _| s.initial.to_string(),
        "0",
    ),
    (&[("min-scale", "2")], &[], |s, _| s.min.to_string(), "2"),
    (&[("max-scale", "9")], &[], |s, _| format!("{:?}", s.max), "Some(9)"),
    (
        &[("max-scale-limit", "5"), ("max-scale", "4")],
        &[(keys::MAX_SCALE, "6")],
        |_, told| told.admission.clone(),
        "expected 1 <= 6 <= 5: spec.template.metadata.annotations.K",
    ),
];

const ANNOTATIONS: &[Acts] = &[
    (&[], &[(keys::CLASS, keys::CLASS_HPA)], |_, told| told.class.clone(), keys::CLASS_HPA),
    (&[], &[(keys::METRIC, "rps")], |s, _| load(s), "140.0 of 200.0"),
    (&[], &[(keys::TARGET, "10")], |s, _| load(s), "7.0 of 10.0"),
    (&[], &[(keys::TARGET_UTILIZATION, "90")], |s, _| load(s), "90.0 of 100.0"),
    (
        &[],
        &[(keys::TARGET_UTILIZATION, "90"), (keys::METRIC, "rps")],
        |s, _| load(s),
        "180.0 of 200.0",
    ),
    (&[("min-scale", "2")], &[(keys::MIN_SCALE, "4")], |s, _| s.min.to_string(), "4"),
    (&[("max-scale", "9")], &[(keys::MAX_SCALE, "3")], |s, _| format!("{:?}", s.max), "Some(3)"),
    (&[("max-scale", "9")], &[(keys::MAX_SCALE, "0")], |s, _| format!("{:?}", s.max), "None"),
    (&[("initial-scale", "3")], &[(keys::INITIAL_SCALE, "2")], |s, _| s.initial.to_string(), "2"),
    (
        &[],
        &[(keys::ACTIVATION_SCALE, "3")],
        |s, _| format!("{:?}", s.decider.activation_scale),
        "Some(3)",
    ),
    (&[], &[(keys::WINDOW, "2m")], |s, _| seconds(s.stable_window()), "120"),
    (&[], &[(keys::PANIC_WINDOW_PERCENTAGE, "50")], |s, _| seconds(s.panic_window), "30"),
    (
        &[],
        &[(keys::PANIC_THRESHOLD_PERCENTAGE, "150")],
        |s, _| s.decider.panic_threshold.to_string(),
        "1.5",
    ),
    (&[], &[(keys::SCALE_DOWN_DELAY, "1m")], |s, _| seconds(s.scale_down_delay), "60"),
    (&[], &[(keys::SCALE_TO_ZERO_RETENTION, "1m")], |s, _| seconds(s.retention), "60"),
    (
        &[],
        &[(keys::METRIC_AGGREGATION, "weighted-exponential")],
        |s, _| format!("{:?}", s.aggregation),
        "WeightedExponential",
    ),
    // The activator is in the path of every request: it changes nothing but what admission says.
    (
        &[],
        &[(keys::TARGET_BURST_CAPACITY, "0")],
        |_, told| told.admission.clone(),
        "the annotation K has no effect here: the activator is in the path of every request: spec.template.metadata.annotations",
    ),
];

#[test]
fn every_setting_acts() {
    let mut seen = BTreeSet::new();
    for (settings, annotations, what, expected) in SETTINGS {
        let (spec, class) = read(settings, annotations);
        assert_eq!(what(&spec, &class), *expected, "{settings:?}");
        let (spec, class) = read(&[], annotations);
        assert_ne!(what(&spec, &class), *expected, "{settings:?} changes nothing");
        seen.insert(settings[0].0);
    }
    let acting = effects::keys("config-autoscaler").unwrap();
    let acting = acting.iter().filter(|key| key.effect == effects::Effect::Acts);
    assert_eq!(seen, acting.map(|key| key.name).collect());
}

#[test]
fn every_annotation_acts_and_goes_before_the_setting() {
    let mut seen = BTreeSet::new();
    for (settings, annotations, what, expected) in ANNOTATIONS {
        let (spec, class) = read(settings, annotations);
        assert_eq!(what(&spec, &class), *expected, "{annotations:?}");
        let (spec, class) = read(settings, &annotations[1..]);
        assert_ne!(what(&spec, &class), *expected, "{annotations:?} changes nothing");
        seen.insert(annotations[0].0);
    }
    let all = annotations::AUTOSCALING.iter();
    assert_eq!(seen, all.clone().map(|key| key.name).collect());
    // The old spellings mean the same.
    for key in all {
        let Some(old) = key.old else { continue };
        let row = ANNOTATIONS.iter().find(|(_, annotations, ..)| annotations[0].0 == key.name);
        let Some((settings, annotations, what, expected)) = row else { continue };
        let (spec, class) = read(settings, &[(old, annotations[0].1)]);
        assert_eq!(what(&spec, &class), *expected, "{old}");
    }
}

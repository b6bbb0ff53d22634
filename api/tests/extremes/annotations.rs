//! Every numeric annotation.

use std::collections::BTreeMap;
use std::time::Duration;

use rouse_api::annotations::{self as keyed, Autoscaling, Key};
use rouse_api::config::ApiConfig;
use rouse_api::config::autoscaler::{BurstCapacity, WINDOW_MAX};
use rouse_api::{defaults, keys, validation};
use serde_json::json;

use crate::minimal;
use crate::numbers::TEXTS;

const SIDECAR: [&str; 14] = [
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
    "resource-percentage",
    "resourcePercentage",
];

/// Annotations of a template that hold a number or a length of time, in all spellings.
fn of_templates() -> Vec<String> {
    let worded = [keyed::CLASS, keyed::METRIC, keyed::METRIC_AGGREGATION];
    let numeric = keyed::AUTOSCALING.into_iter().filter(|key| !worded.contains(key));
    let numeric = numeric.chain([keyed::PROGRESS_DEADLINE]);
    let mut names: Vec<String> = numeric.flat_map(spellings).collect();
    names.push(keys::QUEUE_LIMIT.to_owned());
    names.extend(SIDECAR.map(|name| format!("queue.sidecar.serving.knative.dev/{name}")));
    names
}

fn spellings(key: Key) -> Vec<String> {
    std::iter::once(key.name).chain(key.old).map(str::to_owned).collect()
}

/// The values of admitted annotations that are out of the range that the platform computes with.
fn out_of_range(said: &BTreeMap<String, String>, config: &ApiConfig) -> Vec<&'static str> {
    let read = Autoscaling::new(said, &config.autoscaler);
    let deadline = keyed::progress_deadline(said).unwrap_or(Duration::from_secs(1));
    let scale = |scale: u32| i32::try_from(scale).is_ok();
    let positive = |number: f64| number.is_finite() && number > 0.0;
    [
        ("target", read.target().is_none_or(positive)),
        ("utilization", positive(read.utilization()) && read.utilization() <= 1.0),
        (
            "burst",
            match read.target_burst_capacity() {
                BurstCapacity::Unlimited => true,
                BurstCapacity::Requests(number) => number.is_finite() && number >= 0.0,
            },
        ),
        ("min", scale(read.min_scale())),
        ("max", read.max_scale().is_none_or(|max| max > 0 && scale(max))),
        ("initial", scale(read.initial_scale())),
        ("activation", read.activation_scale().is_none_or(scale)),
        ("window", !read.window().is_zero() && read.window() <= WINDOW_MAX.to_std()),
        ("panic window", (1.0..=100.0).contains(&read.panic_window_percentage())),
        ("panic threshold", (110.0..=1000.0).contains(&read.panic_threshold_percentage())),
        ("delay", read.scale_down_delay() <= WINDOW_MAX.to_std()),
        ("retention", read.scale_to_zero_retention() <= WINDOW_MAX.to_std()),
        ("deadline", i32::try_from(deadline.as_secs()).is_ok()),
    ]
    .into_iter()
    .filter(|(_, holds)| !holds)
    .map(|(what, _)| what)
    .collect()
}

#[test]
fn every_extreme_of_every_annotation_is_refused_by_name_or_in_range() {
    let config = ApiConfig::default();
    let names = of_templates();
    let (mut refused, mut problems) = (0, Vec::new());
    for name in &names {
        for text in TEXTS {
            let mut object = minimal();
            object["spec"]["template"]["metadata"]["annotations"] = json!({ name: text });
            let asked = defaults::Request { config: &config, user: "alice", old: None };
            defaults::service(&mut object, asked);
            let held = validation::Request { config: &config, old: None };
            let errors = validation::service(&object, held).split().0.to_string();
            let said = BTreeMap::from([(name.clone(), text.to_owned())]);
            // A value that was not validated, on a cluster without webhooks, is read as absent.
            let found = out_of_range(&said, &config);
            if !found.is_empty() {
                problems.push(format!("{name}: {text:?} is read out of range: {found:?}"));
            }
            if errors.is_empty() {
                continue;
            }
            refused += 1;
            if !errors.contains(name.as_str()) {
                problems.push(format!("{name}: {text:?}: not named: {errors}"));
            }
        }
    }
    let cases = names.len() * TEXTS.len();
    let count = (names.len(), TEXTS.len());
    println!("{} annotations x {} extremes = {cases} cases, {refused} refused", count.0, count.1);
    assert_eq!(problems, Vec::<String>::new());
    assert!(refused > 0 && refused < cases);
}

#[test]
fn every_extreme_of_a_rollouts_duration_is_refused_by_name_or_read() {
    let config = ApiConfig::default();
    for name in spellings(keyed::ROLLOUT_DURATION) {
        for text in TEXTS {
            let mut object = minimal();
            object["metadata"]["annotations"] = json!({ name.as_str(): text });
            let asked = defaults::Request { config: &config, user: "alice", old: None };
            defaults::service(&mut object, asked);
            let held = validation::Request { config: &config, old: None };
            let errors = validation::service(&object, held).split().0.to_string();
            let said = BTreeMap::from([(name.clone(), text.to_owned())]);
            // An empty value counts as absent.
            let read = text.is_empty() || keyed::rollout_duration(&said).is_some();
            assert!(read && errors.is_empty() || errors.contains(&name), "{text:?}: {errors}");
        }
    }
}

//! PodAutoscaler -> HorizontalPodAutoscaler, and the status that comes back. Pure.
//!
//! Upstream: `pkg/reconciler/autoscaling/hpa/{hpa.go,resources/hpa.go}`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec,
    MetricTarget, PodsMetricSource, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;
use rouse_api::annotations::{self, Autoscaling};
use rouse_api::config::AutoscalerConfig;
use rouse_api::podautoscaler::{PodAutoscalerStatus, Reachability as Reached};
use rouse_api::{PodAutoscaler, keys};
use rouse_k8s::object;
use rouse_kit::Plan;

use crate::decide::status::{
    ACTIVE, CONDITIONS, SCALE_TARGET_INITIALIZED, SKS_READY, signed, was_initialized,
};

pub(super) type HpaPlan = Plan<PodAutoscalerStatus>;

/// Whether a PodAutoscaler is of the class hpa, by its annotation or the cluster's setting.
pub(super) fn is_ours(autoscaler: &PodAutoscaler, config: &AutoscalerConfig) -> bool {
    Autoscaling::new(annotations_of(autoscaler), config).class() == keys::CLASS_HPA
}

/// The writes for a PodAutoscaler of the class.
pub(super) fn plan(
    autoscaler: &PodAutoscaler,
    found: Option<&HorizontalPodAutoscaler>,
    config: &AutoscalerConfig,
    now: Timestamp,
) -> HpaPlan {
    let mut plan = Plan::default();
    if autoscaler.metadata.deletion_timestamp.is_some() {
        return plan;
    }
    let wanted = build(autoscaler, config);
    match found {
        None => plan.create(&wanted),
        Some(found) if !is_controlled(autoscaler, found) => {
            plan.status = Some(not_owned(autoscaler, now));
            return plan;
        }
        Some(found) => plan.replace(found, &updated(found, wanted)),
    }
    let next = status(autoscaler, found, config, now);
    if autoscaler.status.as_ref() != Some(&next) {
        plan.status = Some(next);
    }
    plan
}

/// The deletion of an autoscaler whose PodAutoscaler is of another class now. One whose owner is
/// gone is collected with it.
pub(super) fn abandoned(found: Option<&HorizontalPodAutoscaler>) -> HpaPlan {
    let mut plan = Plan::default();
    if let Some(found) = found.filter(|found| {
        let owners = found.metadata.owner_references.iter().flatten();
        let ours = |owner: &OwnerReference| {
            owner.controller == Some(true) && owner.kind == PodAutoscaler::kind(&())
        };
        found.metadata.deletion_timestamp.is_none() && owners.into_iter().any(ours)
    }) {
        plan.delete(found);
    }
    plan
}

fn annotations_of(autoscaler: &PodAutoscaler) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    autoscaler.metadata.annotations.as_ref().unwrap_or(&NONE)
}

fn build(autoscaler: &PodAutoscaler, config: &AutoscalerConfig) -> HorizontalPodAutoscaler {
    let read = Autoscaling::new(annotations_of(autoscaler), config);
    let target = &autoscaler.spec.scale_target_ref;
    let min = bounds(autoscaler, read);
    HorizontalPodAutoscaler {
        metadata: ObjectMeta {
            name: autoscaler.metadata.name.clone(),
            namespace: autoscaler.metadata.namespace.clone(),
            labels: autoscaler.metadata.labels.clone(),
            annotations: autoscaler.metadata.annotations.clone(),
            owner_references: Some(vec![owner(autoscaler)]),
            ..ObjectMeta::default()
        },
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(target.api_version.clone()),
                kind: target.kind.clone(),
                name: target.name.clone(),
            },
            min_replicas: Some(signed(min)),
            max_replicas: read.max_scale().map_or(i32::MAX, signed),
            metrics: metric(annotations_of(autoscaler), read).map(|metric| vec![metric]),
            behavior: behavior(annotations_of(autoscaler), read),
        }),
        status: None,
    }
}

/// The minimum: the class cannot go to zero, and an unreachable Revision needs no more than that.
fn bounds(autoscaler: &PodAutoscaler, read: Autoscaling<'_>) -> u32 {
    match autoscaler.spec.reachability {
        Reached::Unreachable => 1,
        Reached::Reachable | Reached::Unknown => read.min_scale().max(1),
    }
}

/// The one metric. Without a target there is none, and the scale stays within its bounds.
fn metric(written: &BTreeMap<String, String>, read: Autoscaling<'_>) -> Option<MetricSpec> {
    let target = read.target()?;
    let name = annotations::METRIC.get(written).map_or("cpu", |(_, name)| name);
    let resource = |target| MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(ResourceMetricSource { name: name.to_owned(), target }),
        ..MetricSpec::default()
    };
    let average = |amount: String| MetricTarget {
        type_: "AverageValue".to_owned(),
        average_value: Some(Quantity(amount)),
        ..MetricTarget::default()
    };
    let whole = whole(target);
    Some(match name {
        "cpu" => resource(MetricTarget {
            type_: "Utilization".to_owned(),
            average_utilization: Some(whole),
            ..MetricTarget::default()
        }),
        "memory" => resource(average(format!("{whole}Mi"))),
        name => MetricSpec {
            type_: "Pods".to_owned(),
            pods: Some(PodsMetricSource {
                metric: MetricIdentifier { name: name.to_owned(), selector: None },
                target: average(whole.to_string()),
            }),
            ..MetricSpec::default()
        },
    })
}

/// The window of an annotation holds in both directions.
fn behavior(
    written: &BTreeMap<String, String>,
    read: Autoscaling<'_>,
) -> Option<HorizontalPodAutoscalerBehavior> {
    annotations::WINDOW.get(written)?;
    let window = i32::try_from(read.window().as_secs()).unwrap_or(i32::MAX);
    let rules = HPAScalingRules {
        stabilization_window_seconds: Some(window),
        ..HPAScalingRules::default()
    };
    Some(HorizontalPodAutoscalerBehavior { scale_up: Some(rules.clone()), scale_down: Some(rules) })
}

/// `found` with all that follows from the PodAutoscaler. What the API server has filled in stays.
fn updated(
    found: &HorizontalPodAutoscaler,
    wanted: HorizontalPodAutoscaler,
) -> HorizontalPodAutoscaler {
    let mut spec = wanted.spec.unwrap_or_default();
    let before = found.spec.as_ref();
    if spec.metrics.is_none() {
        spec.metrics = before.and_then(|before| before.metrics.clone());
    }
    let behavior = before.and_then(|before| before.behavior.as_ref());
    if let (Some(new), Some(old)) = (&mut spec.behavior, behavior) {
        for (new, old) in
            [(&mut new.scale_up, &old.scale_up), (&mut new.scale_down, &old.scale_down)]
        {
            if let (Some(new), Some(old)) = (new, old) {
                new.policies.clone_from(&old.policies);
                new.select_policy.clone_from(&old.select_policy);
            }
        }
    }
    HorizontalPodAutoscaler {
        metadata: ObjectMeta {
            labels: wanted.metadata.labels,
            annotations: wanted.metadata.annotations,
            ..found.metadata.clone()
        },
        spec: Some(spec),
        status: found.status.clone(),
    }
}

fn owner(autoscaler: &PodAutoscaler) -> OwnerReference {
    OwnerReference {
        api_version: PodAutoscaler::api_version(&()).into_owned(),
        kind: PodAutoscaler::kind(&()).into_owned(),
        name: object::name(&autoscaler.metadata).to_owned(),
        uid: autoscaler.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

fn is_controlled(autoscaler: &PodAutoscaler, found: &HorizontalPodAutoscaler) -> bool {
    let owners = found.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.any(|owner| Some(&owner.uid) == autoscaler.metadata.uid.as_ref())
}

fn not_owned(autoscaler: &PodAutoscaler, now: Timestamp) -> PodAutoscalerStatus {
    let mut next = autoscaler.status.clone().unwrap_or_default();
    let generation = autoscaler.metadata.generation;
    let name = object::name(&autoscaler.metadata);
    let message =
        format!("There is an existing HorizontalPodAutoscaler {name:?} that we do not own.");
    let seen = next.observed_generation;
    CONDITIONS
        .begin(&mut next.conditions, seen, generation, now)
        .mark_false(ACTIVE, "NotOwned", &message);
    next.observed_generation = generation;
    next
}

/// Always active: pods of the class are never taken away for want of requests.
fn status(
    autoscaler: &PodAutoscaler,
    found: Option<&HorizontalPodAutoscaler>,
    config: &AutoscalerConfig,
    now: Timestamp,
) -> PodAutoscalerStatus {
    let before = autoscaler.status.clone().unwrap_or_default();
    let mut next = before.clone();
    let generation = autoscaler.metadata.generation;
    let scale = found.and_then(|found| found.status.as_ref());
    let current = scale.and_then(|scale| scale.current_replicas).unwrap_or(0);
    let read = Autoscaling::new(annotations_of(autoscaler), config);
    let first = signed(read.initial_scale().max(bounds(autoscaler, read)));
    let initialized = was_initialized(&before) || current >= first;
    let mut conditions =
        CONDITIONS.begin(&mut next.conditions, before.observed_generation, generation, now);
    conditions.mark_true(SKS_READY);
    conditions.mark_true(ACTIVE);
    if initialized {
        conditions.mark_true(SCALE_TARGET_INITIALIZED);
    }
    next.observed_generation = generation;
    if let Some(scale) = scale {
        next.desired_scale = Some(scale.desired_replicas);
        next.actual_scale = scale.current_replicas;
    }
    next
}

fn whole(target: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let whole = target.ceil() as i32;
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn autoscaler(annotations: &Value) -> PodAutoscaler {
        serde_json::from_value(json!({
            "apiVersion": "autoscaling.internal.knative.dev/v1alpha1", "kind": "PodAutoscaler",
            "metadata": { "name": "hello-1", "namespace": "shop", "uid": "u", "generation": 1,
                "labels": { keys::REVISION: "hello-1" }, "annotations": annotations },
            "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } },
        }))
        .unwrap()
    }

    fn spec(annotations: &Value) -> Value {
        let built = build(&autoscaler(annotations), &AutoscalerConfig::default());
        serde_json::to_value(built.spec).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn condition(status: &PodAutoscalerStatus, type_: &str) -> String {
        let all = &status.conditions;
        let found = rouse_api::condition::find(all, type_);
        found.map_or(String::new(), |found| format!("{:?}", found.status))
    }

    #[test]
    fn annotations_become_bounds_metric_and_windows() {
        let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" });
        assert_eq!(
            spec(&json!({})),
            json!({ "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": i32::MAX })
        );
        let cpu = spec(&json!({
            keys::TARGET: "74.5", keys::MIN_SCALE: "2", keys::MAX_SCALE: "5", keys::WINDOW: "30s",
        }));
        assert_eq!((&cpu["minReplicas"], &cpu["maxReplicas"]), (&json!(2), &json!(5)));
        assert_eq!(cpu["metrics"][0]["resource"]["name"], "cpu");
        assert_eq!(cpu["metrics"][0]["resource"]["target"]["averageUtilization"], 75);
        for direction in ["scaleUp", "scaleDown"] {
            assert_eq!(cpu["behavior"][direction]["stabilizationWindowSeconds"], 30);
        }
        let memory = spec(&json!({ keys::TARGET: "200", keys::METRIC: "memory" }));
        assert_eq!(memory["metrics"][0]["resource"]["target"]["averageValue"], "200Mi");
        let other = spec(&json!({ keys::TARGET: "3", keys::METRIC: "queue" }));
        assert_eq!(other["metrics"][0]["pods"]["metric"]["name"], "queue");
    }

    #[test]
    fn the_class_comes_from_the_annotation_or_from_the_cluster() {
        let hpa = AutoscalerConfig {
            pod_autoscaler_class: keys::CLASS_HPA.to_owned(),
            ..AutoscalerConfig::default()
        };
        let own = autoscaler(&json!({ keys::CLASS: keys::CLASS_HPA }));
        assert!(is_ours(&own, &AutoscalerConfig::default()));
        assert!(is_ours(&autoscaler(&json!({})), &hpa));
        assert!(!is_ours(&autoscaler(&json!({ keys::CLASS: keys::CLASS_KPA })), &hpa));
    }

    #[test]
    fn it_is_initialized_once_its_first_pods_are_there_and_stays_so() {
        let config = AutoscalerConfig::default();
        let mut pa = autoscaler(&json!({ keys::MIN_SCALE: "2" }));
        let first = plan(&pa, None, &config, now());
        assert_eq!(first.writes.len(), 1);
        let status = first.status.unwrap();
        assert_eq!(condition(&status, ACTIVE), "True");
        assert_eq!(condition(&status, SCALE_TARGET_INITIALIZED), "Unknown");
        pa.status = Some(status);

        let mut found = build(&pa, &config);
        found.status = Some(
            serde_json::from_value(json!({ "currentReplicas": 2, "desiredReplicas": 3 })).unwrap(),
        );
        let second = plan(&pa, Some(&found), &config, now());
        assert!(second.writes.is_empty(), "{:?}", second.writes);
        let status = second.status.unwrap();
        assert_eq!((status.actual_scale, status.desired_scale), (Some(2), Some(3)));
        assert_eq!(condition(&status, SCALE_TARGET_INITIALIZED), "True");
        assert_eq!(condition(&status, "Ready"), "True");
        pa.status = Some(status);
        assert_eq!(plan(&pa, Some(&found), &config, now()), Plan::default());
    }

    #[test]
    fn somebody_elses_autoscaler_is_left_alone_and_an_abandoned_one_is_deleted() {
        let (config, pa) = (AutoscalerConfig::default(), autoscaler(&json!({})));
        let mut other = build(&pa, &config);
        other.metadata.owner_references = None;
        let found = plan(&pa, Some(&other), &config, now());
        assert!(found.writes.is_empty());
        assert_eq!(condition(&found.status.unwrap(), ACTIVE), "False");
        assert!(abandoned(Some(&other)).writes.is_empty());
        assert_eq!(abandoned(Some(&build(&pa, &config))).writes.len(), 1);
        assert_eq!(abandoned(None), Plan::default());
    }
}

//! HorizontalPodAutoscaler: the replicas of a Deployment or ReplicaSet by the CPU and memory of its
//! pods.
//!
//! Metrics of other types (`Pods`, `Object`, `External`) need a metrics adapter, which is not here;
//! the condition `ScalingActive` says so.
//!
//! Upstream: `pkg/controller/podautoscaler`.

mod behavior;
mod metrics;
mod replicas;
mod status;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricStatus, MetricTarget,
    MetricValueStatus, ResourceMetricStatus,
};
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::{Quantity, time};
use serde_json::Value;

pub(crate) use self::metrics::Unmeasured;
pub use self::metrics::{ContainerUsage, PodMetrics, PodUsage};

use self::behavior::{Behavior, Bounded, History};
use self::replicas::{Measured, Proposal, Target, Usage};
use self::status::{ABLE, ACTIVE, Status};
use super::objects::{DEPLOYMENTS, Objects, PODS, REPLICA_SETS};
use super::recorder::{self, Notice};
use super::work::Next;

const COMPONENT: &str = "horizontal-pod-autoscaler";
/// Upstream: `--horizontal-pod-autoscaler-sync-period`.
const PERIOD: Duration = Duration::from_secs(15);

/// What each autoscaler proposed and did lately.
#[derive(Debug, Default)]
pub(super) struct Histories(BTreeMap<Key, Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// The spec of the last sync.
    spec: Value,
    history: History,
}

impl Histories {
    /// Whether a spec is another than that of the last sync.
    pub(super) fn is_news(&self, key: &Key, spec: &Value) -> bool {
        self.0.get(key).is_none_or(|remembered| remembered.spec != *spec)
    }

    fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

/// The scale that an autoscaler sets, and the pods behind it.
struct Scaled {
    object: std::sync::Arc<Object>,
    replicas: i32,
    pods: Vec<Pod>,
}

/// Sets the scale by the present metrics, and reports.
pub(super) fn sync(
    objects: &Objects,
    metrics: &dyn PodMetrics,
    histories: &mut Histories,
    key: &Key,
    next: &mut Next,
) -> Result<(), Failure> {
    let Some(object) = objects.store.get(key) else {
        histories.forget(key);
        return Ok(());
    };
    let Ok(autoscaler) = object.decode::<HorizontalPodAutoscaler>() else { return Ok(()) };
    let Some(spec) = &autoscaler.spec else { return Ok(()) };
    if object.deletion_timestamp.is_some() {
        return Ok(());
    }
    let remembered = histories.0.entry(key.clone()).or_default();
    remembered.spec = object.value()["spec"].take();
    let history = &mut remembered.history;
    let now = objects.now();
    next.at = Some(time::later(now, PERIOD));
    let mut status = Status::of(&autoscaler, now);
    let mut notice = |warning, reason, message: String| {
        let about = recorder::about(&object);
        next.notices.push(Notice { about, component: COMPONENT, warning, reason, message });
    };
    let scaled = match scaled(objects, key, spec) {
        Ok(scaled) => scaled,
        Err(message) => {
            status.mark(ABLE, false, "FailedGetScale", &message);
            notice(true, "FailedGetScale", message);
            return status.write(objects, key);
        }
    };
    let current = scaled.replicas;
    status.next.current_replicas = Some(current);
    let (decision, values) = decide(spec, &scaled, metrics, history, now);
    status.next.current_metrics = (!values.is_empty()).then_some(values);
    match decision {
        Decision::Off => {
            status.next.desired_replicas = 0;
            let message = "scaling is disabled since the replica count of the target is zero";
            status.mark(ACTIVE, false, "ScalingDisabled", message);
        }
        Decision::Unknown { reason, message } => {
            status.next.desired_replicas = current;
            status.mark(ACTIVE, false, reason, &message);
            notice(true, reason, message);
        }
        Decision::Scale { bounded, why } => {
            status.scaled(&bounded, &why);
            let wanted = bounded.replicas;
            status.next.desired_replicas = wanted;
            if wanted != current {
                objects.change(&scaled.object.key, |target| {
                    target["spec"]["replicas"] = wanted.into();
                })?;
                history.changed(current, wanted, now);
                status.next.last_scale_time = Some(Time(now));
                let message = format!("New size: {wanted}; reason: {why}");
                status.mark(ABLE, true, "SucceededRescale", &message);
                notice(false, "SuccessfulRescale", message);
            }
        }
    }
    status.write(objects, key)
}

/// The target of an autoscaler, or why there is none.
fn scaled(
    objects: &Objects,
    key: &Key,
    spec: &HorizontalPodAutoscalerSpec,
) -> Result<Scaled, String> {
    let target = &spec.scale_target_ref;
    let version = target.api_version.as_deref().unwrap_or("apps/v1");
    let resource = match (version, target.kind.as_str()) {
        ("apps/v1", "Deployment") => DEPLOYMENTS,
        ("apps/v1", "ReplicaSet") => REPLICA_SETS,
        (version, kind) => return Err(format!("{version} {kind} cannot be scaled here")),
    };
    let named = Key::new(resource, &key.namespace, &target.name);
    let object = objects.store.get(&named).ok_or_else(|| {
        let kind = &target.kind;
        format!("the {kind} {:?} does not exist", target.name)
    })?;
    let value = object.value();
    let replicas = value["spec"]["replicas"].as_i64().unwrap_or(1);
    let sets = match resource {
        REPLICA_SETS => vec![object.uid.clone()],
        _ => {
            let sets = objects.controlled_objects(REPLICA_SETS, &object.uid);
            sets.iter().map(|set| set.uid.clone()).collect()
        }
    };
    let pods = sets.iter().flat_map(|uid| objects.controlled::<Pod>(PODS, uid)).collect();
    Ok(Scaled { object, replicas: i32::try_from(replicas).unwrap_or(i32::MAX), pods })
}

enum Decision {
    /// Somebody scaled it to zero.
    Off,
    Unknown {
        reason: &'static str,
        message: String,
    },
    Scale {
        bounded: Bounded,
        /// The reason of a change, in upstream's words.
        why: String,
    },
}

fn decide(
    spec: &HorizontalPodAutoscalerSpec,
    scaled: &Scaled,
    metrics: &dyn PodMetrics,
    history: &mut History,
    now: Timestamp,
) -> (Decision, Vec<MetricStatus>) {
    let current = scaled.replicas;
    let min = spec.min_replicas.unwrap_or(1).max(0);
    let max = spec.max_replicas.max(min);
    if current == 0 && min != 0 {
        return (Decision::Off, Vec::new());
    }
    let behavior = Behavior::of(spec.behavior.as_ref());
    let at_once = |replicas, why: &str| {
        let bounded = Bounded { replicas, stabilized: None, limited: None };
        (Decision::Scale { bounded, why: why.to_owned() }, Vec::new())
    };
    if current > max {
        return at_once(max, "Current number of replicas above Spec.MaxReplicas");
    }
    if current < min {
        return at_once(min, "Current number of replicas below Spec.MinReplicas");
    }
    let mut best: Option<(i32, String)> = None;
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for metric in spec.metrics.iter().flatten() {
        match look(metric, scaled, metrics, behavior.tolerance(), now) {
            Ok((proposal, value, name)) => {
                values.push(value);
                if best.as_ref().is_none_or(|(most, _)| proposal.replicas > *most) {
                    best = Some((proposal.replicas, name));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    let first = problems.into_iter().next();
    let (proposed, name) = match (best, first) {
        // A metric that is missing could have asked for more.
        (Some((replicas, _)), Some((reason, message))) if replicas < current => {
            return (Decision::Unknown { reason, message }, values);
        }
        (None, Some((reason, message))) => {
            return (Decision::Unknown { reason, message }, values);
        }
        (None, None) => (current, String::new()),
        (Some(best), _) => best,
    };
    let bounded = behavior.bound(history, current, proposed, (min, max), now);
    let why = if proposed > current {
        format!("{name} above target")
    } else {
        "All metrics below target".to_owned()
    };
    (Decision::Scale { bounded, why }, values)
}

type Problem = (&'static str, String);

/// The replicas that one metric asks for, its present value, and its name in messages.
fn look(
    metric: &MetricSpec,
    scaled: &Scaled,
    metrics: &dyn PodMetrics,
    tolerance: replicas::Tolerance,
    now: Timestamp,
) -> Result<(Proposal, MetricStatus, String), Problem> {
    let (resource, container, target) = match (&metric.resource, &metric.container_resource) {
        (Some(of), _) => (of.name.as_str(), None, &of.target),
        (None, Some(of)) => (of.name.as_str(), Some(of.container.as_str()), &of.target),
        (None, None) => {
            let message = format!("metrics of type {} need a metrics adapter", metric.type_);
            return Err(("InvalidMetricSourceType", message));
        }
    };
    let is_cpu = match resource {
        "cpu" => true,
        "memory" => false,
        other => {
            let message = format!("the resource {other:?} is not measured");
            return Err(("FailedGetResourceMetric", message));
        }
    };
    let goal = goal(target, is_cpu).ok_or_else(|| {
        let message =
            format!("the target of {resource} has neither averageUtilization nor averageValue");
        ("FailedGetResourceMetric", message)
    })?;
    let measured: Vec<Measured<'_>> =
        scaled.pods.iter().map(|pod| measure(pod, container, is_cpu, metrics)).collect();
    let proposal = replicas::propose(scaled.replicas, &measured, goal, is_cpu, tolerance, now)
        .map_err(|why| {
            let message = format!("failed to get {resource} utilization: {why}");
            ("FailedGetResourceMetric", message)
        })?;
    let value = MetricValueStatus {
        average_utilization: proposal.utilization.map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
        average_value: Some(written(proposal.average, is_cpu)),
        value: None,
    };
    let mut status = MetricStatus { type_: metric.type_.clone(), ..MetricStatus::default() };
    match container {
        None => {
            status.resource =
                Some(ResourceMetricStatus { current: value, name: resource.to_owned() });
        }
        Some(container) => {
            status.container_resource =
                Some(k8s_openapi::api::autoscaling::v2::ContainerResourceMetricStatus {
                    container: container.to_owned(),
                    current: value,
                    name: resource.to_owned(),
                });
        }
    }
    let kind = if proposal.utilization.is_some() {
        "utilization (percentage of request)"
    } else {
        "resource"
    };
    Ok((proposal, status, format!("{resource} {kind}")))
}

fn goal(target: &MetricTarget, is_cpu: bool) -> Option<Target> {
    if let Some(percent) = target.average_utilization {
        return Some(Target::Utilization(u64::try_from(percent).unwrap_or(0)));
    }
    let value = Quantity::try_from(target.average_value.as_ref()?).ok()?;
    Some(Target::Average(amount(value, is_cpu).max(1)))
}

/// Thousandths of a CPU, or bytes.
fn amount(quantity: Quantity, is_cpu: bool) -> u64 {
    let whole = if is_cpu { quantity.milli_value() } else { quantity.value() };
    u64::try_from(whole.max(0)).unwrap_or(u64::MAX)
}

fn written(amount: u64, is_cpu: bool) -> Written {
    Written(if is_cpu { format!("{amount}m") } else { amount.to_string() })
}

fn measure<'a>(
    pod: &'a Pod,
    container: Option<&str>,
    is_cpu: bool,
    metrics: &dyn PodMetrics,
) -> Measured<'a> {
    let counts = |name: &str| container.is_none_or(|wanted| wanted == name);
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let usage = metrics.of(namespace, name).map(|sample| {
        let used = sample.containers.iter().filter(|used| counts(&used.name));
        let used = used.map(|used| if is_cpu { used.cpu_millis } else { used.memory_bytes });
        Usage { amount: used.fold(0, u64::saturating_add), at: sample.at, window: sample.window }
    });
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let request = containers
        .filter(|container| counts(&container.name))
        .map(|container| requested(container, is_cpu))
        .try_fold(0, |sum: u64, one| Some(sum.saturating_add(one?)));
    Measured { pod, usage, request }
}

/// What a container requests; its limit where it says no more.
fn requested(container: &Container, is_cpu: bool) -> Option<u64> {
    let resources = container.resources.as_ref()?;
    let name = if is_cpu { "cpu" } else { "memory" };
    let of = |amounts: Option<&BTreeMap<String, Written>>| amounts?.get(name).cloned();
    let found = of(resources.requests.as_ref()).or_else(|| of(resources.limits.as_ref()))?;
    Quantity::try_from(&found).ok().map(|quantity| amount(quantity, is_cpu))
}

#[cfg(test)]
mod tests;

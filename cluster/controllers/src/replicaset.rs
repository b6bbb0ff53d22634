//! ReplicaSet: as many pods as it asks for.
//!
//! Upstream: `pkg/controller/replicaset/replica_set.go`, `pkg/controller/controller_utils.go`.

use std::cmp::Ordering;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_apiserver::registry::{Propagation, account_problem};
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::condition;
use rouse_k8s::pod::{created, deletion_cost, has_ended, is_active, phase, ready_since, restarts};
use rouse_k8s::time;
use serde_json::{Value, json};

use super::adopt::adopt;
use super::objects::{Objects, PODS};
use super::recorder::{self, Notice};
use super::work::{Next, Work};

/// The condition of a ReplicaSet whose pods are refused.
const FAILURE: &str = "ReplicaFailure";
const COMPONENT: &str = "replicaset-controller";
/// The most pods that one sync of a ReplicaSet creates or deletes. Upstream: `BurstReplicas`.
const BURST: usize = 500;

/// The changes of a ReplicaSet's pods.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) create: usize,
    /// The names of pods to delete.
    pub(super) delete: Vec<String>,
    /// One sync does not create or delete all pods.
    pub(super) more: bool,
}

/// Compares the replicas asked for with the existing pods.
pub(super) fn desired(set: &ReplicaSet, pods: &[Pod]) -> Plan {
    if set.metadata.deletion_timestamp.is_some() {
        return Plan::default();
    }
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let mut active: Vec<&Pod> = pods.iter().filter(|pod| is_active(pod)).collect();
    let missing = wanted.saturating_sub(active.len());
    active.sort_by(|a, b| deletion_order(a, b));
    let surplus = active.len().saturating_sub(wanted);
    let leave = active.into_iter().take(surplus.min(BURST));
    Plan {
        create: missing.min(BURST),
        delete: leave.filter_map(|pod| pod.metadata.name.clone()).collect(),
        more: missing.max(surplus) > BURST,
    }
}

/// The order of deletion: without a node, pending, not ready, of low deletion cost, ready for a
/// short time, often restarted, young.
fn deletion_order(a: &Pod, b: &Pod) -> Ordering {
    let scheduled = |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let rank = |pod: &Pod| match phase(pod) {
        "Pending" | "" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    scheduled(a)
        .cmp(&scheduled(b))
        .then_with(|| rank(a).cmp(&rank(b)))
        .then_with(|| ready_since(a).is_some().cmp(&ready_since(b).is_some()))
        .then_with(|| deletion_cost(a).cmp(&deletion_cost(b)))
        .then_with(|| ready_since(b).cmp(&ready_since(a)))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| created(b).cmp(&created(a)))
        .then_with(|| a.metadata.name.cmp(&b.metadata.name))
}

/// The status, and the time at which it changes without an event.
pub(super) fn status(
    set: &ReplicaSet,
    pods: &[Pod],
    now: Timestamp,
) -> (ReplicaSetStatus, Option<Timestamp>) {
    let spec = set.spec.as_ref();
    let min_ready = spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let min_ready = time::seconds(min_ready);
    let labels = spec.and_then(|s| s.template.as_ref()?.metadata.as_ref()?.labels.clone());
    let labels = labels.unwrap_or_default();
    let active: Vec<&Pod> = pods.iter().filter(|pod| is_active(pod)).collect();
    let terminating = pods.iter().filter(|pod| !has_ended(pod) && !is_active(pod)).count();
    let labelled = active.iter().filter(|pod| {
        let found = pod.metadata.labels.as_ref();
        labels.iter().all(|(k, v)| found.and_then(|found| found.get(k)) == Some(v))
    });
    let ready: Vec<Timestamp> = active.iter().filter_map(|pod| ready_since(pod)).collect();
    let matures = |since: &Timestamp| time::later(*since, min_ready);
    let available = ready.iter().filter(|since| matures(since) <= now).count();
    let next = ready.iter().map(matures).filter(|at| *at > now).min();
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: some(labelled.count()),
        ready_replicas: some(ready.len()),
        available_replicas: some(available),
        terminating_replicas: some(terminating),
        observed_generation: set.metadata.generation,
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    };
    (status, next)
}

pub(super) fn count(many: usize) -> i32 {
    i32::try_from(many).unwrap_or(i32::MAX)
}

/// A count that is left out when it is zero, as Go does.
fn some(many: usize) -> Option<i32> {
    (many > 0).then(|| count(many))
}

/// A new pod of a ReplicaSet.
pub(super) fn pod(set: &Value) -> Value {
    let template = &set["spec"]["template"];
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    let mut meta = json!({
        "generateName": format!("{name}-"),
        "namespace": set["metadata"]["namespace"],
        "ownerReferences": [{
            "apiVersion": set["apiVersion"], "kind": set["kind"], "name": name,
            "uid": set["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
        }],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            meta[field] = template["metadata"][field].clone();
        }
    }
    json!({ "metadata": meta, "spec": template["spec"] })
}

/// Creates or deletes pods towards the replicas asked for. New pods are scheduled next.
pub(super) fn scale(objects: &Objects, key: &Key, next: &mut Next) -> Result<(), Failure> {
    let Some(object) = objects.store.get(key) else { return Ok(()) };
    let Ok(set) = object.decode::<ReplicaSet>() else { return Ok(()) };
    if let Some(spec) = &set.spec {
        adopt(objects, &object, PODS, &spec.selector)?;
    }
    let pods: Vec<Pod> = objects.controlled(PODS, &object.uid);
    let plan = desired(&set, &pods);
    next.again = plan.more;
    let value = if plan.create > 0 { object.value() } else { Value::Null };
    for _ in 0..plan.create {
        match objects.create(PODS, pod(&value)) {
            Ok(pod) => {
                let message = format!("Created pod: {}", pod.key.name);
                next.notices.push(notice(&object, "SuccessfulCreate", message));
                next.work.push(Work::Pod(pod.key.clone()));
            }
            // The next pod, or an immediate retry, would be refused as well.
            Err(failure) if failure.is_forbidden() || failure.is_not_found() => {
                let notice = notice(&object, "FailedCreate", format!("Error creating: {failure}"));
                next.notices.push(Notice { warning: true, ..notice });
                next.again = false;
                break;
            }
            Err(failure) => return Err(failure),
        }
    }
    for name in plan.delete {
        objects.delete(&Key::new(PODS, &key.namespace, &name), Propagation::Background)?;
        next.notices.push(notice(&object, "SuccessfulDelete", format!("Deleted pod: {name}")));
    }
    Ok(())
}

/// Why pods of the template are forbidden.
fn refusal(objects: &Objects, key: &Key, set: &Value) -> Option<String> {
    let why = account_problem(&objects.store, &key.namespace, &set["spec"]["template"]["spec"])?;
    Some(format!("pods \"{}-\" is forbidden: {why}", key.name))
}

fn notice(set: &Object, reason: &'static str, message: String) -> Notice {
    let about = recorder::about(set);
    Notice { about, component: COMPONENT, warning: false, reason, message }
}

/// Writes the status, and sets when it is computed again without an event.
pub(super) fn report(objects: &Objects, key: &Key, next: &mut Next) -> Result<(), Failure> {
    let Some(object) = objects.store.get(key) else { return Ok(()) };
    let Ok(set) = object.decode::<ReplicaSet>() else { return Ok(()) };
    let pods: Vec<Pod> = objects.controlled(PODS, &object.uid);
    let now = objects.now();
    let (mut status, at) = status(&set, &pods, now);
    next.at = at;
    let lacks = desired(&set, &pods).create > 0;
    let refused = lacks.then(|| refusal(objects, key, &object.value())).flatten();
    status.conditions = failure(status.conditions, refused, now);
    objects.set_status(key, &status)
}

/// The conditions, with `ReplicaFailure` if pods are refused and without it if not.
fn failure(
    before: Option<Vec<ReplicaSetCondition>>,
    refused: Option<String>,
    now: Timestamp,
) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = before.unwrap_or_default();
    let known = conditions.iter().any(|c| c.type_ == FAILURE);
    match refused {
        Some(why) if !known => conditions.push(ReplicaSetCondition {
            type_: FAILURE.to_owned(),
            status: condition::TRUE.to_owned(),
            reason: Some("FailedCreate".to_owned()),
            message: Some(why),
            last_transition_time: Some(Time(now)),
        }),
        Some(_) => {}
        None => conditions.retain(|c| c.type_ != FAILURE),
    }
    Some(conditions).filter(|c| !c.is_empty())
}

#[cfg(test)]
mod tests;

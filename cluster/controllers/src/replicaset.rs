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
use rouse_k8s::pod::{created, deletion_cost, has_ended, is_active, phase, ready_since, restarts};
use rouse_k8s::time;
use serde_json::{Value, json};

use super::adopt::adopt;
use super::event::{self, Notice};
use super::objects::{Objects, PODS};
use super::work::{Next, Work};

/// The condition of a ReplicaSet whose pods are refused.
const FAILURE: &str = "ReplicaFailure";
const COMPONENT: &str = "replicaset-controller";
/// The most pods that one sync of a ReplicaSet creates or deletes. Upstream: `BurstReplicas`.
const BURST: usize = 500;

/// What to do about the pods of a ReplicaSet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) create: usize,
    /// Names.
    pub(super) delete: Vec<String>,
    /// There is more to do than one sync does.
    pub(super) more: bool,
}

/// Compares what is asked for with the pods that are there.
pub(super) fn desired(set: &ReplicaSet, pods: &[Pod]) -> Plan {
    if set.metadata.deletion_timestamp.is_some() {
        return Plan::default();
    }
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let mut active: Vec<&Pod> = pods.iter().filter(|pod| is_active(pod)).collect();
    let missing = wanted.saturating_sub(active.len());
    active.sort_by(|a, b| departure(a, b));
    let surplus = active.len().saturating_sub(wanted);
    let leave = active.into_iter().take(surplus.min(BURST));
    Plan {
        create: missing.min(BURST),
        delete: leave.filter_map(|pod| pod.metadata.name.clone()).collect(),
        more: missing.max(surplus) > BURST,
    }
}

/// Which of two pods is deleted first: on no node, pending, not ready, cheap, shortly ready, often
/// restarted, young.
fn departure(a: &Pod, b: &Pod) -> Ordering {
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

/// The status, and when it changes by time alone.
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

/// Brings the number of pods closer to what is asked for. New pods are looked at next.
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
            // The next would be refused as well, and another try at once too.
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
    let about = event::about(set);
    Notice { about, component: COMPONENT, warning: false, reason, message }
}

/// Writes the status, and says when to look again without an event.
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

/// The conditions with the one that says that pods cannot be made, or without it.
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
            status: "True".to_owned(),
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
mod tests {
    use super::*;

    fn set(replicas: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": { "name": "web-abc", "generation": 4 },
            "spec": { "replicas": replicas, "selector": {},
                "template": { "metadata": { "labels": { "app": "web" } } } },
        }))
        .unwrap()
    }

    /// A pod by name, node, phase, second since when it is ready, and deletion cost.
    fn a(name: &str, node: &str, phase: &str, ready: Option<i64>, cost: &str) -> Pod {
        let since = ready.map(|s| Timestamp::from_second(s).unwrap().to_string());
        let conditions = since.map(
            |since| json!([{ "type": "Ready", "status": "True", "lastTransitionTime": since }]),
        );
        let mut pod = json!({
            "metadata": { "name": name, "labels": { "app": "web" },
                "annotations": { rouse_k8s::keys::POD_DELETION_COST: cost } },
            "spec": { "containers": [] },
            "status": { "phase": phase, "conditions": conditions.unwrap_or(json!([])) },
        });
        if !node.is_empty() {
            pod["spec"]["nodeName"] = node.into();
        }
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn missing_pods_are_created_and_those_that_ended_replaced() {
        let pods = [a("p", "n", "Running", Some(1), "0"), a("q", "n", "Failed", None, "0")];
        assert_eq!(desired(&set(3), &pods), Plan { create: 2, ..Plan::default() });
    }

    #[test]
    fn pods_go_by_node_phase_readiness_cost_and_age() {
        let pods = [
            a("old", "n", "Running", Some(100), "0"),
            a("young", "n", "Running", Some(200), "0"),
            a("cheap", "n", "Running", Some(50), "-1000"),
            a("unready", "n", "Running", None, "0"),
            a("pending", "n", "Pending", None, "0"),
            a("nowhere", "", "Pending", None, "0"),
        ];
        let order = ["nowhere", "pending", "unready", "cheap", "young", "old"];
        for left in 0..=pods.len() {
            let plan = desired(&set(i32::try_from(left).unwrap()), &pods);
            assert_eq!(plan.delete, order[..pods.len() - left], "{left} left");
        }
    }

    #[test]
    fn one_sync_creates_or_deletes_a_burst_of_pods() {
        let there = |many: usize| -> Vec<Pod> {
            (0..many).map(|n| a(&format!("p{n:04}"), "n", "Running", Some(1), "0")).collect()
        };
        for (wanted, pods, create, delete, more) in [
            (500, 0, 500, 0, false),
            (501, 0, 500, 0, true),
            (501, 1, 500, 0, false),
            (i32::MAX, 2, 500, 0, true),
            (0, 500, 0, 500, false),
            (1, 502, 0, 500, true),
            (i32::MIN, 501, 0, 500, true),
            (-1, 0, 0, 0, false),
        ] {
            let plan = desired(&set(wanted), &there(pods));
            let found = (plan.create, plan.delete.len(), plan.more);
            assert_eq!(found, (create, delete, more), "{wanted} of {pods}");
        }
    }

    #[test]
    fn a_set_that_is_deleted_makes_no_pods() {
        let mut set = set(3);
        set.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(desired(&set, &[]), Plan::default());
    }

    #[test]
    fn a_ready_pod_is_available_after_its_time() {
        let mut set = set(2);
        set.spec.as_mut().unwrap().min_ready_seconds = Some(10);
        let pods = [a("p", "n", "Running", Some(100), "0"), a("q", "n", "Pending", None, "0")];
        let at = |second| Timestamp::from_second(second).unwrap();
        let (early, next) = status(&set, &pods, at(105));
        assert_eq!((early.replicas, early.ready_replicas), (2, Some(1)));
        assert_eq!((early.available_replicas, next), (None, Some(at(110))));
        let (late, next) = status(&set, &pods, at(110));
        assert_eq!((late.available_replicas, next), (Some(1), None));
        assert_eq!(late.observed_generation, Some(4));
    }

    #[test]
    fn a_pod_matures_at_the_end_of_time_at_the_latest() {
        let now = Timestamp::from_second(100).unwrap();
        let mut pods = [a("p", "n", "Running", Some(100), "0")];
        for (since, seconds, available, next) in [
            (now, i32::MIN, Some(1), None),
            (Timestamp::MIN, i32::MIN, Some(1), None),
            (Timestamp::MAX, i32::MAX, None, Some(Timestamp::MAX)),
            (Timestamp::MIN, i32::MAX, Some(1), None),
        ] {
            let mut set = set(1);
            set.spec.as_mut().unwrap().min_ready_seconds = Some(seconds);
            let conditions = pods[0].status.as_mut().unwrap().conditions.as_mut().unwrap();
            conditions[0].last_transition_time = Some(Time(since));
            let (status, again) = status(&set, &pods, now);
            let found = (status.available_replicas, again);
            assert_eq!(found, (available, next), "{seconds} after {since}");
        }
    }

    #[test]
    fn a_pod_is_stamped_from_the_template_and_owned() {
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "name": "web-abc", "namespace": "shop", "uid": "u" },
            "spec": { "template": { "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c" }] } } },
        });
        let pod = pod(&set);
        assert_eq!(pod["metadata"]["generateName"], "web-abc-");
        assert_eq!(pod["metadata"]["namespace"], "shop");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "u");
        assert_eq!(pod["spec"]["containers"][0]["name"], "c");
    }
}

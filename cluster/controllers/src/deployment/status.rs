//! A Deployment's status: counters, Available, Progressing, ReplicaFailure. Pure.
//!
//! Upstream: `pkg/controller/deployment/{progress,sync}.go`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_k8s::time;

use super::rollout::{self, Strategy};

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const REPLICA_FAILURE: &str = "ReplicaFailure";
/// The rollout is complete; no deadline holds any more.
const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// The status after the one that the Deployment has, and when it changes by time alone.
pub(super) fn compute(
    deployment: &Deployment,
    new: Option<&ReplicaSet>,
    all: &[ReplicaSet],
    now: Timestamp,
) -> (DeploymentStatus, Option<Timestamp>) {
    let before = deployment.status.clone().unwrap_or_default();
    let mut status = counters(deployment, new, all, &before);
    let mut conditions = before.conditions.clone().unwrap_or_default();
    available(deployment, &status, &mut conditions, now);
    let deadline = progressing(deployment, new, &before, &status, &mut conditions, now);
    failure(all, &mut conditions, now);
    status.conditions = (!conditions.is_empty()).then_some(conditions);
    (status, deadline)
}

fn counters(
    deployment: &Deployment,
    new: Option<&ReplicaSet>,
    all: &[ReplicaSet],
    before: &DeploymentStatus,
) -> DeploymentStatus {
    let sum = |count: fn(&ReplicaSetStatus) -> i32| -> i64 {
        all.iter()
            .filter_map(|set| set.status.as_ref())
            .map(|status| i64::from(count(status)))
            .sum()
    };
    let some = |count: i64| (count > 0).then(|| i32::try_from(count).unwrap_or(i32::MAX));
    let available = sum(|status| status.available_replicas.unwrap_or(0));
    let specs = all.iter().filter_map(|set| set.spec.as_ref());
    let wanted: i64 = specs.map(|spec| i64::from(spec.replicas.unwrap_or(1))).sum();
    let updated = new.and_then(|set| set.status.as_ref()).map_or(0, |status| status.replicas);
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(sum(|status| status.replicas)),
        updated_replicas: some(updated.into()),
        ready_replicas: some(sum(|status| status.ready_replicas.unwrap_or(0))),
        available_replicas: some(available),
        unavailable_replicas: some(wanted - available),
        terminating_replicas: some(sum(|status| status.terminating_replicas.unwrap_or(0))),
        collision_count: before.collision_count,
        conditions: None,
    }
}

fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn available(
    deployment: &Deployment,
    status: &DeploymentStatus,
    conditions: &mut Vec<DeploymentCondition>,
    now: Timestamp,
) {
    let strategy = deployment.spec.as_ref().map_or(Strategy::Recreate, rollout::strategy);
    let unavailable = match strategy {
        Strategy::Recreate => 0,
        Strategy::Rolling { unavailable, .. } => unavailable,
    };
    let (value, reason, message) = if status.available_replicas.unwrap_or(0)
        >= replicas(deployment).saturating_sub(unavailable)
    {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(conditions, AVAILABLE, value, reason, message, now);
}

fn progressing(
    deployment: &Deployment,
    new: Option<&ReplicaSet>,
    before: &DeploymentStatus,
    after: &DeploymentStatus,
    conditions: &mut Vec<DeploymentCondition>,
    now: Timestamp,
) -> Option<Timestamp> {
    let spec = deployment.spec.as_ref()?;
    let limit = spec.progress_deadline_seconds?;
    if limit == i32::MAX {
        return None;
    }
    if spec.paused == Some(true) {
        set(conditions, PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused", now);
        return None;
    }
    let name = new.and_then(|set| set.metadata.name.clone());
    let what = match &name {
        Some(name) => format!("ReplicaSet \"{name}\""),
        None => {
            format!("Deployment \"{}\"", deployment.metadata.name.as_deref().unwrap_or_default())
        }
    };
    let current = conditions.iter().find(|c| c.type_ == PROGRESSING).cloned();
    let was_complete = after.replicas == after.updated_replicas
        && current.as_ref().is_some_and(|c| c.reason.as_deref() == Some(COMPLETE));
    if was_complete {
        return None;
    }
    let wanted = Some(replicas(deployment)).filter(|count| *count > 0);
    if after.updated_replicas == wanted
        && after.replicas == wanted
        && after.available_replicas == wanted
    {
        let message = format!("{what} has successfully progressed.");
        set(conditions, PROGRESSING, "True", COMPLETE, &message, now);
        return None;
    }
    if has_progressed(before, after) || current.is_none() {
        let (reason, message) = match (&current, &name) {
            (None, Some(name)) => {
                ("NewReplicaSetCreated", format!("Created new replica set \"{name}\""))
            }
            (None | Some(_), _) => ("ReplicaSetUpdated", format!("{what} is progressing.")),
        };
        conditions.retain(|c| c.type_ != PROGRESSING || c.status == "True");
        set(conditions, PROGRESSING, "True", reason, &message, now);
        touch(conditions, now);
    }
    let updated = conditions.iter().find(|c| c.type_ == PROGRESSING)?;
    let since = updated.last_update_time.as_ref().map_or(now, |time| time.0);
    let deadline = time::later(since, time::seconds(limit));
    if updated.reason.as_deref() == Some(TIMED_OUT) {
        return None;
    }
    if deadline < now {
        let message = format!("{what} has timed out progressing.");
        set(conditions, PROGRESSING, "False", TIMED_OUT, &message, now);
        return None;
    }
    // The deadline must have passed, not only be reached.
    Some(time::later(deadline, Duration::from_millis(1)))
}

/// Whether more of the new pods, or fewer of the old, are there than before.
fn has_progressed(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    let count = |count: Option<i32>| count.unwrap_or(0);
    let old = |status: &DeploymentStatus| {
        i64::from(count(status.replicas)) - i64::from(count(status.updated_replicas))
    };
    count(after.updated_replicas) > count(before.updated_replicas)
        || old(after) < old(before)
        || count(after.ready_replicas) > count(before.ready_replicas)
        || count(after.available_replicas) > count(before.available_replicas)
}

fn failure(all: &[ReplicaSet], conditions: &mut Vec<DeploymentCondition>, now: Timestamp) {
    let failed = all
        .iter()
        .filter_map(|set| set.status.as_ref()?.conditions.as_ref())
        .flatten()
        .find(|condition| condition.type_ == REPLICA_FAILURE && condition.status == "True");
    match failed {
        Some(failed) => {
            let reason = failed.reason.clone().unwrap_or_default();
            let message = failed.message.clone().unwrap_or_default();
            set(conditions, REPLICA_FAILURE, "True", &reason, &message, now);
        }
        None => conditions.retain(|condition| condition.type_ != REPLICA_FAILURE),
    }
}

/// Sets a condition; its times move only with what they stand for.
fn set(
    conditions: &mut Vec<DeploymentCondition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let before = conditions.iter().find(|condition| condition.type_ == type_);
    if before.is_some_and(|b| b.status == status && b.reason.as_deref() == Some(reason)) {
        return;
    }
    let moved = before
        .filter(|before| before.status == status)
        .and_then(|before| before.last_transition_time.clone())
        .unwrap_or(Time(now));
    let condition = DeploymentCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(moved),
    };
    conditions.retain(|condition| condition.type_ != type_);
    conditions.push(condition);
}

/// Progress was made just now.
fn touch(conditions: &mut [DeploymentCondition], now: Timestamp) {
    if let Some(condition) = conditions.iter_mut().find(|c| c.type_ == PROGRESSING) {
        condition.last_update_time = Some(Time(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + second).unwrap()
    }

    fn deployment(replicas: i32) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "name": "web", "generation": 2 },
            "spec": { "replicas": replicas, "progressDeadlineSeconds": 60, "selector": {},
                "template": {} },
        }))
        .unwrap()
    }

    fn set(replicas: i32, pods: i32, available: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": { "name": "web-abc" },
            "spec": { "replicas": replicas, "selector": {} },
            "status": { "replicas": pods, "readyReplicas": available,
                "availableReplicas": available },
        }))
        .unwrap()
    }

    /// Steps from status to status; gives the conditions as text.
    fn step(deployment: &mut Deployment, set: &ReplicaSet, second: i64) -> String {
        let all = std::slice::from_ref(set);
        let (status, _) = compute(deployment, Some(set), all, at(second));
        deployment.status = Some(status.clone());
        let one = |c: &DeploymentCondition| {
            format!("{}={}({})", c.type_, c.status, c.reason.as_deref().unwrap_or_default())
        };
        let mut shown: Vec<String> = status.conditions.iter().flatten().map(one).collect();
        shown.sort();
        shown.join(" ")
    }

    #[test]
    fn a_rollout_progresses_and_completes() {
        let mut web = deployment(2);
        assert_eq!(
            step(&mut web, &set(2, 0, 0), 0),
            "Available=False(MinimumReplicasUnavailable) Progressing=True(NewReplicaSetCreated)"
        );
        assert_eq!(
            step(&mut web, &set(2, 2, 1), 5),
            "Available=False(MinimumReplicasUnavailable) Progressing=True(ReplicaSetUpdated)"
        );
        assert_eq!(
            step(&mut web, &set(2, 2, 2), 9),
            "Available=True(MinimumReplicasAvailable) Progressing=True(NewReplicaSetAvailable)"
        );
        let status = web.status.unwrap();
        assert_eq!((status.replicas, status.updated_replicas), (Some(2), Some(2)));
        assert_eq!((status.unavailable_replicas, status.observed_generation), (None, Some(2)));
    }

    #[test]
    fn without_progress_the_deadline_passes_once() {
        let mut web = deployment(1);
        step(&mut web, &set(1, 1, 0), 0);
        let all = [set(1, 1, 0)];
        let (_, deadline) = compute(&web, all.first(), &all, at(30));
        assert_eq!(deadline, Some(at(60) + Duration::from_millis(1)));
        assert!(step(&mut web, &set(1, 1, 0), 60).contains("Progressing=True"));
        assert!(
            step(&mut web, &set(1, 1, 0), 61)
                .contains("Progressing=False(ProgressDeadlineExceeded)")
        );
        assert!(
            step(&mut web, &set(1, 1, 1), 70).contains("Progressing=True(NewReplicaSetAvailable)")
        );
    }

    #[test]
    fn a_complete_deployment_that_loses_pods_has_no_deadline() {
        let mut web = deployment(1);
        step(&mut web, &set(1, 1, 1), 0);
        step(&mut web, &set(0, 0, 0), 10);
        assert_eq!(
            step(&mut web, &set(1, 1, 0), 900),
            "Available=False(MinimumReplicasUnavailable) Progressing=True(NewReplicaSetAvailable)"
        );
    }

    #[test]
    fn a_set_that_cannot_make_pods_is_told_of() {
        let mut web = deployment(1);
        let mut failing = set(1, 0, 0);
        failing.status.as_mut().unwrap().conditions =
            serde_json::from_value(json!([{ "type": "ReplicaFailure", "status": "True",
                "reason": "FailedCreate", "message": "exceeded quota" }]))
            .unwrap();
        assert!(step(&mut web, &failing, 0).contains("ReplicaFailure=True(FailedCreate)"));
        assert!(!step(&mut web, &set(1, 1, 1), 1).contains("ReplicaFailure"));
    }

    #[test]
    fn counts_of_any_size_end_within_their_field() {
        let (low, high) = (set(0, i32::MIN, i32::MIN), set(i32::MAX, i32::MAX, i32::MAX));
        for (all, replicas, unavailable) in [
            (vec![high.clone(), high.clone()], Some(i32::MAX), None),
            (vec![low.clone(), low.clone()], None, Some(i32::MAX)),
            (vec![low, high.clone()], None, Some(i32::MAX)),
            (vec![high, set(1, 1, 1)], Some(i32::MAX), None),
        ] {
            let (status, _) = compute(&deployment(i32::MAX), all.first(), &all, at(0));
            assert_eq!((status.replicas, status.unavailable_replicas), (replicas, unavailable));
        }
    }

    #[test]
    fn progress_is_seen_between_counts_of_any_size() {
        let status = |replicas, updated| DeploymentStatus {
            replicas: Some(replicas),
            updated_replicas: Some(updated),
            ..Default::default()
        };
        let (few, many) = (status(i32::MIN, i32::MAX), status(i32::MAX, i32::MIN));
        assert!(has_progressed(&many, &few));
        assert!(!has_progressed(&few, &many));
        assert!(!has_progressed(&many, &many));
    }

    #[test]
    fn a_deadline_beyond_time_is_the_end_of_time() {
        let mut web = deployment(1);
        let progressing = |since: Timestamp| DeploymentCondition {
            type_: PROGRESSING.to_owned(),
            status: "True".to_owned(),
            reason: Some("ReplicaSetUpdated".to_owned()),
            last_update_time: Some(Time(since)),
            ..Default::default()
        };
        let all = [set(1, 1, 0)];
        for (since, limit, deadline) in [
            (Timestamp::MAX, i32::MAX - 1, Some(Timestamp::MAX)),
            (Timestamp::MAX, 1, Some(Timestamp::MAX)),
            (Timestamp::MIN, i32::MAX - 1, None),
            (at(0), i32::MIN, None),
        ] {
            web.spec.as_mut().unwrap().progress_deadline_seconds = Some(limit);
            let (before, _) = compute(&web, all.first(), &all, at(1));
            let conditions = Some(vec![progressing(since)]);
            web.status = Some(DeploymentStatus { conditions, ..before });
            let (_, found) = compute(&web, all.first(), &all, at(1));
            assert_eq!(found, deadline, "{limit} after {since}");
        }
    }
}

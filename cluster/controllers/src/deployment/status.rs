//! A Deployment's status: counters, Available, Progressing, ReplicaFailure. Pure.
//!
//! Upstream: `pkg/controller/deployment/{progress,sync}.go`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_k8s::condition::{FALSE, TRUE};
use rouse_k8s::time;

use super::rollout::{self, Strategy};

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const REPLICA_FAILURE: &str = "ReplicaFailure";
/// The rollout is complete; no deadline holds any more.
const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// The next status of the Deployment, and the time at which it changes without an event.
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
        (TRUE, "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        (FALSE, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
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
        set(conditions, PROGRESSING, TRUE, COMPLETE, &message, now);
        return None;
    }
    if has_progressed(before, after) || current.is_none() {
        let (reason, message) = match (&current, &name) {
            (None, Some(name)) => {
                ("NewReplicaSetCreated", format!("Created new replica set \"{name}\""))
            }
            (None | Some(_), _) => ("ReplicaSetUpdated", format!("{what} is progressing.")),
        };
        conditions.retain(|c| c.type_ != PROGRESSING || c.status == TRUE);
        set(conditions, PROGRESSING, TRUE, reason, &message, now);
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
        set(conditions, PROGRESSING, FALSE, TIMED_OUT, &message, now);
        return None;
    }
    // The deadline must have passed, not only be reached.
    Some(time::later(deadline, Duration::from_millis(1)))
}

/// Whether there are more new, ready or available pods, or fewer old ones, than before.
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
        .find(|condition| condition.type_ == REPLICA_FAILURE && condition.status == TRUE);
    match failed {
        Some(failed) => {
            let reason = failed.reason.clone().unwrap_or_default();
            let message = failed.message.clone().unwrap_or_default();
            set(conditions, REPLICA_FAILURE, TRUE, &reason, &message, now);
        }
        None => conditions.retain(|condition| condition.type_ != REPLICA_FAILURE),
    }
}

/// Sets a condition if its status or reason changes; the transition time is that of the status.
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

/// Sets the time of the last progress.
fn touch(conditions: &mut [DeploymentCondition], now: Timestamp) {
    if let Some(condition) = conditions.iter_mut().find(|c| c.type_ == PROGRESSING) {
        condition.last_update_time = Some(Time(now));
    }
}

#[cfg(test)]
mod tests;

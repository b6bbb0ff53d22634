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

/// Computes and sets the next status; returns the conditions as text.
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
        step(&mut web, &set(1, 1, 0), 61).contains("Progressing=False(ProgressDeadlineExceeded)")
    );
    assert!(step(&mut web, &set(1, 1, 1), 70).contains("Progressing=True(NewReplicaSetAvailable)"));
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
fn a_replica_set_that_cannot_create_pods_sets_a_condition() {
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

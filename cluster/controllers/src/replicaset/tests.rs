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
    let conditions = since
        .map(|since| json!([{ "type": "Ready", "status": "True", "lastTransitionTime": since }]));
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
fn pods_are_deleted_by_node_phase_readiness_cost_and_age() {
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
fn a_ready_pod_is_available_after_min_ready_seconds() {
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

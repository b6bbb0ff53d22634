//! Pods by their JSON, and what is read of them.

use serde_json::{Value, json};

use super::*;

fn pod(value: Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

fn of_status(status: Value) -> Pod {
    pod(json!({ "status": status }))
}

fn status(state: Value, last: Value) -> ContainerStatus {
    serde_json::from_value(json!({
        "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": state, "lastState": last,
    }))
    .unwrap()
}

#[test]
fn a_pod_is_active_until_it_ends_or_is_deleted() {
    for (phase, ended) in [
        ("Pending", false),
        ("Running", false),
        ("Unknown", false),
        ("Succeeded", true),
        ("Failed", true),
    ] {
        let mut pod = of_status(json!({ "phase": phase }));
        assert_eq!((has_ended(&pod), is_active(&pod)), (ended, !ended), "{phase}");
        pod.metadata.deletion_timestamp = Some(Timestamp::UNIX_EPOCH.into());
        assert_eq!((has_ended(&pod), is_active(&pod)), (ended, false), "{phase}, deleted");
    }
    assert_eq!(phase(&Pod::default()), "");
    assert!(is_active(&Pod::default()));
}

#[test]
fn ready_is_what_the_condition_says() {
    let of = |conditions: Value| of_status(json!({ "conditions": conditions }));
    for (conditions, ready) in [
        (json!([]), false),
        (json!([{ "type": "Ready", "status": "True" }]), true),
        (json!([{ "type": "Ready", "status": "False" }]), false),
        (json!([{ "type": "Ready", "status": "Unknown" }]), false),
        (json!([{ "type": "ContainersReady", "status": "True" }]), false),
        (
            json!([{ "type": "Initialized", "status": "False" }, { "type": "Ready", "status": "True" }]),
            true,
        ),
    ] {
        let pod = of(conditions.clone());
        assert_eq!((is_ready(&pod), ready_since(&pod).is_some()), (ready, ready), "{conditions}");
    }
    assert!(!is_ready(&Pod::default()));
}

#[test]
fn ready_since_the_transition_or_the_creation() {
    let (first, later) = ("2025-01-01T00:00:00Z", "2025-01-01T00:00:07Z");
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let ready = |meta: Value, since: Value| {
        pod(json!({ "metadata": meta, "status": { "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": since },
        ] } }))
    };
    let created = json!({ "creationTimestamp": first });
    assert_eq!(ready_since(&ready(created.clone(), json!(later))), Some(time(later)));
    assert_eq!(ready_since(&ready(created, Value::Null)), Some(time(first)));
    assert_eq!(ready_since(&ready(json!({}), Value::Null)), Some(Timestamp::MIN));
}

#[test]
fn node_and_address_are_none_while_they_are_empty() {
    for (name, want) in [(Value::Null, None), (json!(""), None), (json!("n-1"), Some("n-1"))] {
        let pod = pod(json!({ "spec": { "containers": [], "nodeName": name } }));
        assert_eq!(node(&pod), want);
    }
    for (address, want) in
        [(Value::Null, None), (json!(""), None), (json!("10.0.0.1"), Some("10.0.0.1"))]
    {
        assert_eq!(ip(&of_status(json!({ "podIP": address }))), want);
    }
    assert_eq!((node(&Pod::default()), ip(&Pod::default())), (None, None));
}

#[test]
fn the_container_that_was_restarted_most_counts() {
    let container = |restarts: i32| json!({ "name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": restarts });
    let pod = of_status(json!({
        "containerStatuses": [container(2), container(5), container(0)],
        "initContainerStatuses": [container(9)],
    }));
    assert_eq!(restarts(&pod), 5);
    assert_eq!((container_statuses(&pod).count(), init_container_statuses(&pod).count()), (3, 1));
    assert_eq!(restarts(&Pod::default()), 0);
}

#[test]
fn a_deletion_cost_that_is_no_number_counts_as_zero() {
    for (cost, want) in
        [("7", 7), ("-2147483648", i32::MIN), ("2147483648", 0), ("cheap", 0), ("", 0)]
    {
        let pod = pod(json!({ "metadata": { "annotations": { keys::POD_DELETION_COST: cost } } }));
        assert_eq!(deletion_cost(&pod), want, "{cost}");
    }
    assert_eq!(deletion_cost(&Pod::default()), 0);
}

#[test]
fn a_container_says_whether_it_waits_runs_or_ended() {
    let ended = |code: i32| json!({ "terminated": { "exitCode": code } });
    let waits = status(json!({ "waiting": { "reason": "ImagePullBackOff" } }), ended(3));
    assert_eq!(waiting(&waits).and_then(|state| state.reason.as_deref()), Some("ImagePullBackOff"));
    assert_eq!((is_running(&waits), last_end(&waits).map(|end| end.exit_code)), (false, Some(3)));
    let runs = status(json!({ "running": {} }), json!({}));
    assert_eq!((waiting(&runs), is_running(&runs), last_end(&runs)), (None, true, None));
    let over = status(ended(1), ended(2));
    assert_eq!(last_end(&over).map(|end| end.exit_code), Some(1), "this run before the one before");
    assert_eq!(last_end(&status(Value::Null, Value::Null)), None);
}

//! Pods in every state that a container can be in.

use serde_json::{Value, json};

use super::*;

fn pod(containers: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "p" },
        "status": { "phase": "Pending", "containerStatuses": containers,
            "initContainerStatuses": [{ "name": "init", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": { "terminated": { "exitCode": 1 } } }] }
    }))
    .unwrap()
}

fn container(name: &str, restarts: i32, state: &Value, last: &Value) -> Value {
    json!({ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": restarts,
            "state": state, "lastState": last })
}

#[test]
fn the_crashed_run_is_read_while_its_container_waits() {
    let running = json!({ "running": {} });
    let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    let ended = json!({ "terminated": { "exitCode": 1 } });
    let none = json!({});
    for (state, last, previous, readable) in [
        (&running, &none, false, true),
        (&running, &ended, false, true),
        (&running, &ended, true, true),
        (&running, &none, true, false),
        (&waiting, &ended, false, true),
        (&waiting, &ended, true, true),
        (&waiting, &none, false, false),
        (&ended, &none, false, true),
        (&ended, &none, true, false),
    ] {
        let pod = pod(json!([container("c", 1, state, last)]));
        let found = sources(&pod, Some("c"), previous);
        assert_eq!(!found.is_empty(), readable, "{state} {last} {previous}");
        assert!(found.iter().all(|source| source.previous == previous));
        assert!(found.iter().all(|source| source.ended == (state != &running)));
    }
}

#[test]
fn all_containers_are_read_and_init_containers_only_before_them() {
    let running = json!({ "running": {} });
    let waiting = json!({ "waiting": { "reason": "ContainerCreating" } });
    let none = json!({});
    let names = |pod: &Pod, wanted| {
        sources(pod, wanted, false).into_iter().map(|s| s.container).collect::<Vec<_>>()
    };
    let up = pod(json!([container("a", 0, &running, &none), container("b", 0, &running, &none)]));
    assert_eq!(names(&up, None), ["a", "b"]);
    assert_eq!(names(&up, Some("b")), ["b"]);
    assert_eq!(names(&up, Some("init")), ["init"]);
    let starting = pod(json!([container("a", 0, &waiting, &none)]));
    assert_eq!(names(&starting, None), ["init"]);
}

#[test]
fn a_pod_without_a_log_says_why() {
    let none: Pod = serde_json::from_value(json!({
        "metadata": { "name": "p" },
        "status": { "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "Insufficient cpu" }] }
    }))
    .unwrap();
    assert_eq!(not_started(&none).as_deref(), Some("Insufficient cpu"));
    let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no" } });
    let mut pulling = pod(json!([container("a", 0, &waiting, &json!({}))]));
    assert_eq!(not_started(&pulling), None, "the init container has a log");
    pulling.status.as_mut().unwrap().init_container_statuses = None;
    assert_eq!(not_started(&pulling).as_deref(), Some("ImagePullBackOff: no"));
}

//! Revisions and Pods as they are read.

use super::*;
use serde_json::{Value, json};

fn facts(container: Value, status: Value) -> PodFacts {
    let object = json!({
        "metadata": {
            "name": "p", "namespace": "default", "uid": "u",
            "labels": { "serving.knative.dev/revision": "hello-00001" },
        },
        "spec": { "containers": [container] },
        "status": status,
    });
    let object: v1::Pod = serde_json::from_value(object).expect("a Pod");
    pod_facts(&object, &rouse_kit::address::by_pod_ip()).expect("a pod of a revision")
}

fn at(port: u16) -> std::net::SocketAddr {
    ([10, 0, 0, 9], port).into()
}

const UP: &str = "10.0.0.9";

#[track_caller]
fn check_is(container: Value, want: Check) {
    assert_eq!(facts(container, json!({ "podIP": UP })).check, want);
}

#[test]
fn the_users_probe_is_run_where_it_can_be() {
    check_is(json!({ "name": "c" }), Check::Tcp { address: at(8080) });
    check_is(
        json!({ "name": "c", "ports": [{ "containerPort": 9000, "name": "user-port" }],
                "readinessProbe": { "httpGet": { "path": "/up", "port": 0 } } }),
        Check::Http { address: at(9000), path: "/up".to_owned(), headers: Vec::new() },
    );
    let sent = json!([{ "name": "X-Probe", "value": "1" }, { "name": "no name", "value": "2" }]);
    check_is(
        json!({ "name": "c", "readinessProbe": {
            "httpGet": { "port": 8080, "host": "", "httpHeaders": sent } } }),
        Check::Http {
            address: at(8080),
            path: "/".to_owned(),
            headers: vec![(HeaderName::from_static("x-probe"), HeaderValue::from_static("1"))],
        },
    );
    check_is(
        json!({ "name": "c", "readinessProbe": { "grpc": { "port": 7000 } } }),
        Check::Grpc { address: at(7000), service: String::new() },
    );
    check_is(
        json!({ "name": "c", "readinessProbe": { "tcpSocket": { "port": "x" } },
                "ports": [{ "containerPort": 1, "name": "x" }] }),
        Check::Tcp { address: at(1) },
    );
}

#[test]
fn what_only_the_kubelet_can_probe_is_left_to_it() {
    let exec = json!({ "exec": { "command": ["true"] } });
    check_is(json!({ "name": "c", "readinessProbe": exec }), Check::Kubelet);
    let tcp = json!({ "tcpSocket": { "port": 0 } });
    check_is(json!({ "name": "c", "startupProbe": tcp }), Check::Kubelet);
    let https = json!({ "httpGet": { "port": 8443, "scheme": "HTTPS" } });
    check_is(json!({ "name": "c", "readinessProbe": https }), Check::Kubelet);
    let elsewhere = json!({ "httpGet": { "port": 8080, "host": "example.com" } });
    check_is(json!({ "name": "c", "readinessProbe": elsewhere }), Check::Kubelet);
}

#[test]
fn a_pod_without_an_address_has_none_yet() {
    let facts = facts(json!({ "name": "c" }), json!({ "phase": "Pending" }));
    assert_eq!((facts.address, facts.ready, facts.leaving), (None, false, false));
}

#[test]
fn a_pod_says_why_it_does_not_run() {
    let waiting = json!({ "reason": "ImagePullBackOff", "message": "no such image" });
    let status = json!({ "containerStatuses": [{ "name": "c", "image": "i", "imageID": "",
        "ready": false, "restartCount": 0, "state": { "waiting": waiting } }] });
    let facts = facts(json!({ "name": "c" }), status);
    assert_eq!(facts.trouble.as_deref(), Some("ImagePullBackOff: no such image"));
}

#[test]
fn a_container_that_runs_and_does_not_answer_says_so() {
    let status = |ready: bool, last: Value| {
        json!({ "containerStatuses": [{ "name": "c", "image": "i", "imageID": "", "ready": ready,
            "restartCount": 1, "state": { "running": {} }, "lastState": last }] })
    };
    let trouble = |status| facts(json!({ "name": "c" }), status).trouble;
    let first = trouble(status(false, json!({})));
    assert_eq!(first.as_deref(), Some("ContainersNotReady: it runs, and is not ready"));
    let again = trouble(status(false, json!({ "terminated": { "exitCode": 3 } })));
    assert!(again.is_some_and(|why| why.contains("again after it ended with exit code 3")));
    assert_eq!(trouble(status(true, json!({}))), None);
}

#[test]
fn a_revision_is_read_with_its_limits_protocol_and_reason() {
    let object = json!({
        "metadata": { "name": "hello-00001", "annotations": { "rouse.dev/queue-limit": "5" } },
        "spec": {
            "containerConcurrency": 2, "timeoutSeconds": 30, "idleTimeoutSeconds": 7,
            "containers": [{ "name": "c", "ports": [{ "containerPort": 8080, "name": "h2c" }] }],
        },
        "status": { "conditions": [
            { "type": "Ready", "status": "False", "reason": "ContainerMissing", "message": "m" },
        ] },
    });
    let revision: Revision =
        serde_json::from_value(json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Revision",
                "metadata": object["metadata"], "spec": object["spec"],
                "status": object["status"] }))
        .expect("a Revision");
    let settings = settings(&revision);
    assert_eq!((settings.concurrency, settings.queue_limit), (2, 5));
    assert_eq!(settings.protocol, Protocol::H2c);
    assert_eq!(
        settings.limits,
        Limits {
            total: Duration::from_secs(30),
            response_start: None,
            idle: Some(Duration::from_secs(7)),
        }
    );
    assert_eq!(settings.trouble.as_deref(), Some("ContainerMissing: m"));
}

fn revision(spec: Value, queue_limit: &str) -> Revision {
    let mut spec = spec;
    spec["containers"] = json!([{ "name": "c" }]);
    let meta = json!({ "name": "hello-00001",
        "annotations": { "rouse.dev/queue-limit": queue_limit } });
    serde_json::from_value(json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Revision",
        "metadata": meta, "spec": spec }))
    .expect("a Revision")
}

#[test]
fn numbers_that_are_too_large_saturate() {
    let most = i64::MAX;
    let spec = json!({ "containerConcurrency": most, "timeoutSeconds": most,
        "idleTimeoutSeconds": most, "responseStartTimeoutSeconds": most });
    let settings = settings(&revision(spec, "99999999999999999999999"));
    assert_eq!((settings.concurrency, settings.queue_limit), (u32::MAX, usize::MAX));
    let longest = Some(TIMEOUT_MAX);
    let limits = settings.limits;
    assert_eq!((limits.total, limits.response_start, limits.idle), (TIMEOUT_MAX, longest, longest));
}

#[test]
fn invalid_numbers_fall_back_to_the_default() {
    let least = i64::MIN;
    let spec = json!({ "containerConcurrency": least, "timeoutSeconds": 0,
        "idleTimeoutSeconds": least, "responseStartTimeoutSeconds": -1 });
    assert_eq!(settings(&revision(spec, "many")), Settings::default());
    assert_eq!(settings(&revision(json!({}), "-1")), Settings::default());
}

#[test]
fn a_port_named_for_h2c_or_grpc_is_spoken_h2c_to() {
    let named = |name: &str| {
        let port = json!({ "containerPort": 8080, "name": name });
        let spec = json!({ "containers": [{ "name": "c", "ports": [port] }] });
        protocol(&serde_json::from_value(spec).expect("a PodSpec"))
    };
    for name in ["h2c", "h2c-2", "grpc", "grpc-web"] {
        assert_eq!(named(name), Protocol::H2c, "{name}");
    }
    for name in ["http1", "user-port", "h2cx", ""] {
        assert_eq!(named(name), Protocol::Http1, "{name}");
    }
}

fn facts_of(spec: Value, meta: Value, status: Value) -> PodFacts {
    let mut object = json!({ "metadata": meta, "spec": spec, "status": status });
    object["metadata"]["labels"] = json!({ "serving.knative.dev/revision": "hello-00001" });
    let object: v1::Pod = serde_json::from_value(object).expect("a Pod");
    pod_facts(&object, &rouse_kit::address::by_pod_ip()).expect("a pod of a revision")
}

#[test]
fn readiness_gates_and_probes_of_other_containers_are_the_kubelets() {
    let tcp = json!({ "tcpSocket": { "port": 0 } });
    let serving = json!({ "name": "c", "ports": [{ "containerPort": 80 }] });
    let check = |spec| facts_of(spec, json!({}), json!({ "podIP": UP })).check;
    let gated = json!({ "containers": [serving], "readinessGates": [{ "conditionType": "x" }] });
    assert_eq!(check(gated), Check::Kubelet);
    let beside = json!({ "name": "d", "readinessProbe": tcp });
    assert_eq!(check(json!({ "containers": [serving, beside] })), Check::Kubelet);
    let quiet = json!({ "name": "d" });
    let own = Check::Tcp { address: at(80) };
    assert_eq!(check(json!({ "containers": [serving, quiet] })), own);
}

#[test]
fn a_pod_says_whether_it_leaves_drains_or_has_a_node() {
    let seen = |meta: Value, phase: &str| {
        let spec = json!({ "containers": [{ "name": "c" }], "nodeName": "node" });
        let facts = facts_of(spec, meta, json!({ "phase": phase }));
        (facts.leaving, facts.draining, facts.bound)
    };
    assert_eq!(seen(json!({}), "Running"), (false, false, true));
    assert_eq!(seen(json!({}), "Failed"), (true, false, true));
    let deleted = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
    assert_eq!(seen(deleted, "Running"), (true, false, true));
    let marked = json!({ "annotations": { "rouse.dev/draining": "" } });
    assert_eq!(seen(marked, "Running"), (false, true, true));
}

#[test]
fn a_pod_without_a_node_says_why_before_it_says_that_it_only_starts() {
    let creating = json!({ "name": "c", "image": "i", "imageID": "", "ready": false,
        "restartCount": 0, "state": { "waiting": { "reason": "ContainerCreating" } } });
    let unscheduled = json!({ "type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "no node is large enough" });
    let status = json!({ "containerStatuses": [creating], "conditions": [unscheduled] });
    let trouble = facts(json!({ "name": "c" }), status).trouble;
    assert_eq!(trouble.as_deref(), Some("Unschedulable: no node is large enough"));
}

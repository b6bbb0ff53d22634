//! Rows by example: what a kubectl user reads.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{age, columns, row};
use crate::kinds::{Kinds, Resource};

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().expect("a time")
}

fn cells(group: &str, kind: &str, mut object: Value) -> Vec<Value> {
    object["metadata"]["name"] = json!("n");
    object["metadata"]["creationTimestamp"] = json!("2026-01-01T23:58:00Z");
    row(&Kinds::new().by_kind(group, "v1", kind).expect("a built-in kind"), &object, now())
}

#[test]
fn every_resource_has_a_cell_for_every_column() {
    for resource in Kinds::new().all() {
        let count = columns(&resource).as_array().expect("a list").len();
        let object = json!({"metadata": {"name": "x"}});
        assert_eq!(row(&resource, &object, now()).len(), count, "{}", resource.plural);
    }
}

#[test]
fn an_age_has_the_two_units_that_matter() {
    let cases = [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (176_400, "2d1h"),
        (691_200, "8d"),
        (63_071_999, "729d"),
        (63_072_000, "2y"),
        (63_158_400, "2y1d"),
        (252_201_600, "7y364d"),
        (252_288_000, "8y"),
        (252_374_400, "8y"),
    ];
    for (seconds, want) in cases {
        assert_eq!(age::human(seconds), want, "{seconds}");
    }
}

#[test]
fn a_pod_is_summed_up_in_one_word() {
    let pod = |status: Value| json!({"spec": {"containers": [{"name": "a"}]}, "status": status});
    let state = |state: Value| json!({"phase": "Running", "containerStatuses": [{"name": "a", "state": state, "restartCount": 0}]});
    let cases = [
        (pod(json!({"phase": "Pending"})), ["0/1", "Pending", "0"]),
        (
            pod(
                json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 0, "state": {"running": {}}}]}),
            ),
            ["1/1", "Running", "0"],
        ),
        (
            pod(state(json!({"waiting": {"reason": "CrashLoopBackOff"}}))),
            ["0/1", "CrashLoopBackOff", "0"],
        ),
        (
            pod(state(json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}}))),
            ["0/1", "OOMKilled", "0"],
        ),
        (pod(state(json!({"terminated": {"exitCode": 3}}))), ["0/1", "ExitCode:3", "0"]),
        (
            pod(state(json!({"terminated": {"signal": 9, "exitCode": 137}}))),
            ["0/1", "Signal:9", "0"],
        ),
        (pod(json!({"phase": "Failed", "reason": "Evicted"})), ["0/1", "Evicted", "0"]),
        (
            pod(
                json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T23:59:30Z"}}}]}),
            ),
            ["1/1", "Running", "2 (30s ago)"],
        ),
        (
            json!({"spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "a"}]}, "status": {"phase": "Pending",
            "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}]}}),
            ["0/1", "Init:0/1", "0"],
        ),
        (
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"containers": [{}]},
            "status": {"phase": "Running"}}),
            ["0/1", "Terminating", "0"],
        ),
        (
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"containers": [{}]},
            "status": {"phase": "Running", "reason": "NodeLost"}}),
            ["0/1", "Unknown", "0"],
        ),
        // A sidecar is one of the pod's containers, ready once it has started.
        (
            json!({"spec": {"initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}], "containers": [{"name": "a"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "s", "started": true, "ready": true, "state": {"running": {}}},
                {"name": "i", "started": true, "ready": true, "state": {"running": {}}}]}}),
            ["1/2", "Init:1/2", "0"],
        ),
        (
            json!({"spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "a"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 2}}}]}}),
            ["0/1", "Init:ExitCode:2", "4"],
        ),
        (
            pod(
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}),
            ),
            ["0/1", "SchedulingGated", "0"],
        ),
        (
            pod(
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "Unschedulable"}]}),
            ),
            ["0/1", "Pending", "0"],
        ),
        (
            pod(json!({"phase": "Running", "containerStatuses": [
                {"ready": true, "restartCount": 1, "state": {"running": {}}, "lastState": {"terminated": {"finishedAt": "2026-01-01T23:58:00Z"}}},
                {"ready": true, "restartCount": 2, "state": {"running": {}}, "lastState": {"terminated": {"finishedAt": "2026-01-01T23:59:00Z"}}},
                {"ready": true, "restartCount": 3, "state": {"running": {}}, "lastState": {"terminated": {"finishedAt": "2026-01-01T23:58:30Z"}}}]})),
            ["3/1", "Running", "6 (60s ago)"],
        ),
    ];
    for (pod, want) in cases {
        let got = cells("", "Pod", pod.clone());
        assert_eq!(got[1..4], want.map(|w| json!(w)), "{pod}");
        assert_eq!(got[4], "2m");
    }
}

#[test]
fn other_kinds_read_as_kubectl_users_know_them() {
    let template = json!({"spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let cases = [
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}}),
            json!(["n", "2/3", 3, 1, "2m", "c", "i:1", "a=b"]),
        ),
        (
            "apps",
            "ReplicaSet",
            json!({"spec": {"replicas": 1, "selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]},
            "template": template}, "status": {"replicas": 1}}),
            json!(["n", 1, 1, 0, "2m", "c", "i:1", "a in (x,y)"]),
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}],
            "selector": {"a": "b"}}}),
            json!(["n", "NodePort", "10.0.0.1", "<none>", "80:30000/TCP", "2m", "a=b"]),
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "ExternalName", "externalName": "x.y", "ports": [{"port": 80}]}}),
            json!(["n", "ExternalName", "<none>", "x.y", "80/TCP", "2m", "<none>"]),
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}),
            json!(["n", "LoadBalancer", "10.0.0.1", "<pending>", "<none>", "2m", "<none>"]),
        ),
        (
            "",
            "Endpoints",
            json!({"subsets": [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "2.2.2.2"}], "ports": [{"port": 1}, {"port": 2}]}]}),
            json!(["n", "1.1.1.1:1,2.2.2.2:1,1.1.1.1:2 + 1 more...", "2m"]),
        ),
        (
            "discovery.k8s.io",
            "EndpointSlice",
            json!({"addressType": "IPv4", "endpoints": [{"addresses": ["1.1.1.1"]}], "ports": [{"port": 8080}]}),
            json!(["n", "IPv4", "8080", "1.1.1.1", "2m"]),
        ),
        (
            "",
            "Node",
            json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}, "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.35.0"},
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}}),
            json!([
                "n",
                "Ready,SchedulingDisabled",
                "control-plane",
                "2m",
                "v1.35.0",
                "127.0.0.1",
                "<none>",
                "<unknown>",
                "<unknown>",
                "<unknown>"
            ]),
        ),
        (
            "",
            "ConfigMap",
            json!({"data": {"a": "b"}, "binaryData": {"c": ""}}),
            json!(["n", 2, "2m"]),
        ),
        (
            "",
            "Secret",
            json!({"type": "Opaque", "data": {"a": ""}}),
            json!(["n", "Opaque", 1, "2m"]),
        ),
        ("", "Namespace", json!({"status": {"phase": "Active"}}), json!(["n", "Active", "2m"])),
        (
            "coordination.k8s.io",
            "Lease",
            json!({"spec": {"holderIdentity": "me"}}),
            json!(["n", "me", "2m"]),
        ),
        (
            "",
            "Event",
            json!({"involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"}, "type": "Warning", "reason": "Failed",
            "message": "it did\n", "source": {"component": "kubelet", "host": "h"}, "firstTimestamp": "2026-01-01T23:59:00Z",
            "lastTimestamp": "2026-01-01T23:59:50Z", "count": 4}),
            json!([
                "10s",
                "Warning",
                "Failed",
                "pod/p",
                "spec",
                "kubelet, h",
                "it did",
                "60s",
                4,
                "n"
            ]),
        ),
        (
            "events.k8s.io",
            "Event",
            json!({"regarding": {"kind": "Pod", "name": "p"}, "type": "Normal", "reason": "Started", "note": "up",
            "reportingController": "rouse", "eventTime": "2026-01-01T23:59:00.000000Z"}),
            json!(["60s", "Normal", "Started", "pod/p", "", "rouse", "up", "60s", 1, "n"]),
        ),
    ];
    for (group, kind, object, want) in cases {
        assert_eq!(json!(cells(group, kind, object)), want, "{kind}");
    }
}

#[test]
fn a_crds_columns_show_what_their_paths_find() {
    let crd = json!({
        "metadata": {"name": "toys.ex.io"},
        "spec": {"group": "ex.io", "scope": "Cluster", "names": {"plural": "toys", "kind": "Toy"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "additionalPrinterColumns": [
                    {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
                    {"name": "Count", "type": "integer", "jsonPath": ".spec.count", "priority": 1},
                    {"name": "Gone", "type": "string", "jsonPath": ".spec.gone"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
                    {"name": "Much", "type": "boolean", "jsonPath": ".spec.count"},
                    {"name": "Share", "type": "number", "jsonPath": ".spec.share"},
                    {"name": "Part", "type": "number", "jsonPath": ".spec.on"},
                    {"name": "Born", "type": "date", "jsonPath": ".spec.count"},
                ]}]},
    });
    let toy = Resource::from_crd(&crd, "v1").expect("a good CRD");
    let object = json!({"metadata": {"name": "t", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"count": 2, "on": true, "share": 0.5},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let want = json!(["t", "True", 2, null, "24h", true, null, 0.5, null, null]);
    assert_eq!(json!(row(&toy, &object, now())), want);
    let names: Vec<Value> =
        columns(&toy).as_array().expect("a list").iter().map(|c| c["name"].clone()).collect();
    assert_eq!(
        json!(names),
        json!(["Name", "Ready", "Count", "Gone", "Age", "On", "Much", "Share", "Part", "Born"])
    );
}

#[test]
fn lists_of_addresses_and_ports_are_short() {
    let subset = |count: usize, ports: Value| {
        let addresses: Vec<Value> =
            (1..=count).map(|n| json!({"ip": format!("10.0.0.{n}")})).collect();
        json!({"subsets": [{"addresses": addresses, "ports": ports}]})
    };
    for (endpoints, want) in [
        (subset(0, json!([])), "<none>"),
        (subset(1, json!([])), "10.0.0.1"),
        (subset(3, json!([{"port": 80}])), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80"),
        (subset(5, json!([{"port": 80}])), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."),
    ] {
        assert_eq!(cells("", "Endpoints", endpoints.clone())[1], want, "{endpoints}");
    }
    let service = json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [
        {"port": 80, "nodePort": 0, "protocol": "TCP"}, {"port": 53, "nodePort": 30053, "protocol": "UDP"}]}});
    assert_eq!(cells("", "Service", service)[4], "80/TCP,53:30053/UDP");
}

#[test]
fn plain_objects_are_counted() {
    let map = json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "MQ=="}});
    assert_eq!(cells("", "ConfigMap", map), [json!("n"), json!(3), json!("2m")]);
    assert_eq!(cells("", "ConfigMap", json!({})), [json!("n"), json!(0), json!("2m")]);
    let secret = json!({"type": "kubernetes.io/tls", "data": {"a": "", "b": ""}});
    assert_eq!(
        cells("", "Secret", secret),
        [json!("n"), json!("kubernetes.io/tls"), json!(2), json!("2m")]
    );
    assert_eq!(cells("", "ServiceAccount", json!({})), [json!("n"), json!("2m")]);
    let node =
        |labels: Value| cells("", "Node", json!({"metadata": {"labels": labels}}))[2].clone();
    assert_eq!(node(json!({"node-role.kubernetes.io/": "x"})), "<none>");
    assert_eq!(node(json!({"node-role.kubernetes.io/b": "", "kubernetes.io/role": "a"})), "a,b");
}

#[test]
fn an_autoscaler_shows_its_target_and_how_far_it_is() {
    let autoscaler = json!({
        "metadata": { "name": "web" },
        "spec": {
            "scaleTargetRef": { "kind": "Deployment", "name": "web" },
            "minReplicas": 1, "maxReplicas": 5,
            "metrics": [
                { "resource": { "name": "cpu", "target": { "averageUtilization": 75 } } },
                { "resource": { "name": "memory",
                    "target": { "type": "AverageValue", "averageValue": "100Mi" } } },
                { "pods": { "metric": { "name": "q" }, "target": { "averageValue": "1" } } },
            ],
        },
        "status": { "currentReplicas": 2, "currentMetrics": [
            { "resource": { "name": "cpu", "current": { "averageUtilization": 40 } } },
        ] },
    });
    let kinds = Kinds::new();
    let resource = kinds.by_kind("autoscaling", "v2", "HorizontalPodAutoscaler").expect("a kind");
    let cells = row(&resource, &autoscaler, now());
    assert_eq!(cells[1], "Deployment/web");
    assert_eq!(cells[2], "cpu: 40%/75%, memory: <unknown>/100Mi, 1 more...");
    assert_eq!(cells[3..6], [json!("1"), json!(5), json!(2)]);
}

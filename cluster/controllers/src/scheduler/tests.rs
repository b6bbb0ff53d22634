//! The choice of a node, and the reasons for none.

use super::*;

fn node(name: &str, change: &Value) -> NodeInfo {
    let mut node = json!({
        "metadata": { "name": name, "labels": { "disk": "ssd" } },
        "spec": {},
        "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "cpu": "2", "memory": "4Gi", "pods": "3" },
        },
    });
    for (path, value) in change.as_object().unwrap() {
        *node.pointer_mut(path).unwrap() = value.clone();
    }
    let node = serde_json::from_value(node).unwrap();
    NodeInfo { node, used: Amounts::new(), ports: Vec::new() }
}

fn pod(cpu: &str, change: &Value) -> Pod {
    let mut spec = json!({
        "containers": [{ "name": "c", "resources": { "requests": { "cpu": cpu } } }],
    });
    for (field, value) in change.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).unwrap()
}

#[test]
fn a_pod_goes_to_the_node_with_the_most_room() {
    let mut busy = node("a", &json!({}));
    busy.used.insert("cpu".to_owned(), 1000);
    let nodes = [busy, node("b", &json!({}))];
    assert_eq!(place(&pod("500m", &json!({})), &nodes), Placement::Node("b".to_owned()));
}

#[test]
fn a_pod_that_fits_no_node_gets_the_reasons() {
    let full = || {
        let mut info = node("a", &json!({}));
        info.used.insert("pods".to_owned(), 3000);
        info
    };
    let taints = json!([{ "key": "gpu", "value": "yes", "effect": "NoSchedule" }]);
    let nothing = json!({});
    let rows = [
        ("3", &nothing, vec![node("a", &nothing)], "0/1 nodes are available: 1 Insufficient cpu."),
        ("1", &nothing, vec![], "no nodes available to schedule pods"),
        (
            "1",
            &json!({ "nodeSelector": { "disk": "tape" } }),
            vec![node("a", &nothing), node("b", &nothing)],
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        ),
        ("1", &nothing, vec![full()], "0/1 nodes are available: 1 Too many pods."),
        (
            "1",
            &nothing,
            vec![node("a", &json!({ "/spec": { "taints": taints } }))],
            "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.",
        ),
        (
            "9",
            &nothing,
            vec![node("a", &nothing), node("b", &json!({ "/spec": { "unschedulable": true } }))],
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.",
        ),
        (
            "1",
            &nothing,
            vec![node("a", &json!({ "/status/conditions": [] }))],
            "0/1 nodes are available: 1 node(s) had untolerated taint \
             {node.kubernetes.io/not-ready: }.",
        ),
    ];
    for (cpu, change, nodes, message) in rows {
        let found = place(&pod(cpu, change), &nodes);
        assert_eq!(found, Placement::Unschedulable(message.to_owned()));
    }
}

#[test]
fn a_taint_is_tolerated_by_key_value_and_effect() {
    let taints = json!([{ "key": "gpu", "value": "yes", "effect": "NoSchedule" }]);
    let nodes = [node("a", &json!({ "/spec": { "taints": taints } }))];
    let rows = [
        (json!({ "key": "gpu", "operator": "Exists" }), true),
        (json!({ "key": "gpu", "value": "yes", "effect": "NoSchedule" }), true),
        (json!({ "operator": "Exists" }), true),
        (json!({ "key": "gpu", "value": "no" }), false),
        (json!({ "key": "gpu", "operator": "Exists", "effect": "NoExecute" }), false),
    ];
    for (toleration, fits) in rows {
        let found = place(&pod("1", &json!({ "tolerations": [toleration.clone()] })), &nodes);
        assert_eq!(found == Placement::Node("a".to_owned()), fits, "{toleration}");
    }
}

#[test]
fn a_required_affinity_names_the_nodes_that_will_do() {
    let nodes = [node("a", &json!({}))];
    let rows = [
        (
            json!({ "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] }] }),
            true,
        ),
        (
            json!({ "matchExpressions": [{ "key": "disk", "operator": "NotIn", "values": ["ssd"] }] }),
            false,
        ),
        (json!({ "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] }), false),
        (
            json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["a"] }] }),
            true,
        ),
        (json!({}), false),
    ];
    for (term, fits) in rows {
        let required = json!({ "nodeSelectorTerms": [term] });
        let affinity = json!({ "affinity": { "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": required } } });
        let found = place(&pod("1", &affinity), &nodes);
        assert_eq!(found == Placement::Node("a".to_owned()), fits, "{term}");
    }
}

#[test]
fn an_init_container_counts_where_it_asks_for_more() {
    let init =
        json!([{ "name": "i", "resources": { "requests": { "cpu": "2", "memory": "1Mi" } } }]);
    let spec = pod("500m", &json!({ "initContainers": init })).spec.unwrap();
    let wanted = requests(&spec);
    assert_eq!((wanted["cpu"], wanted["memory"], wanted["pods"]), (2000, 1_048_576_000, 1000));
}

#[test]
fn amounts_of_any_size_fit_or_do_not_and_are_subtracted_exactly() {
    let occupied = |cpu: &str| PodInfo {
        node: "a".to_owned(),
        requests: requests(&pod(cpu, &json!({})).spec.unwrap()),
        ports: Vec::new(),
    };
    let has = |cpu: &str| node("a", &json!({ "/status/allocatable/cpu": cpu }));
    for (cpu, room, fits) in [
        ("1e99", "2", false),
        ("1e99", "1e99", true),
        ("9223372036854775807Ei", "2", false),
        ("1e-99", "1n", true),
        ("-1e99", "2", true),
        ("1", "-1e99", false),
        ("0", "-1e99", true),
        ("no number", "2", true),
    ] {
        let mut info = has(room);
        let before = info.used.clone();
        let place = place(&pod(cpu, &json!({})), [&info]);
        assert_eq!(place == Placement::Node("a".to_owned()), fits, "{cpu} on {room}: {place:?}");
        let pods = [occupied(cpu), occupied("500m"), occupied(cpu), occupied(cpu)];
        pods.iter().for_each(|pod| info.add_pod(pod));
        [0, 2, 3].iter().for_each(|at| info.remove(&pods[*at]));
        assert_eq!((info.used["cpu"], info.used["pods"]), (500, 1000), "{cpu}");
        info.remove(&pods[1]);
        assert!(before.is_empty() && info.used.values().all(|amount| *amount == 0), "{cpu}");
    }
}

#[test]
fn sums_of_the_largest_amounts_do_not_overflow() {
    let container = json!({ "name": "c", "resources": { "requests": { "cpu": "1e99" } } });
    let spec = json!({ "containers": vec![&container; 1000], "initContainers": [&container],
        "overhead": { "cpu": "1e99" } });
    let wanted = requests(&pod("1", &spec).spec.unwrap());
    assert_eq!(wanted["cpu"], MOST * 1001);
    let info = node("a", &json!({ "/status/allocatable/cpu": "1e99" }));
    assert_eq!(lacking(&wanted, &info), ["Insufficient cpu"]);
}

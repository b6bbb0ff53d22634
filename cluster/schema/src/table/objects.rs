//! The rows of nodes, namespaces and plain objects.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cells::{condition, items, name, text_or};

pub(super) fn node(node: &Value, now: Timestamp) -> Vec<Value> {
    let info = &node["status"]["nodeInfo"];
    let address = |kind: &str| {
        let found = items(&node["status"]["addresses"]).iter().find(|a| a["type"] == kind);
        found.map_or("<none>", |a| text_or(&a["address"], "<none>")).to_owned()
    };
    vec![
        name(node),
        json!(node_status(node)),
        json!(roles(node)),
        age::since_creation(node, now),
        json!(text_or(&info["kubeletVersion"], "")),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        json!(text_or(&info["osImage"], "<unknown>")),
        json!(text_or(&info["kernelVersion"], "<unknown>")),
        json!(text_or(&info["containerRuntimeVersion"], "<unknown>")),
    ]
}

fn node_status(node: &Value) -> String {
    let known = items(&node["status"]["conditions"]).iter().any(|c| c["type"] == "Ready");
    let mut words = vec![match (known, condition(node, "Ready", "True")) {
        (true, true) => "Ready",
        (true, false) => "NotReady",
        (false, _) => "Unknown",
    }];
    if node["spec"]["unschedulable"] == true {
        words.push("SchedulingDisabled");
    }
    words.join(",")
}

fn roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object();
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then(|| text_or(value, "")),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

pub(super) fn namespace(namespace: &Value, now: Timestamp) -> Vec<Value> {
    let phase = text_or(&namespace["status"]["phase"], "Active");
    vec![name(namespace), json!(phase), age::since_creation(namespace, now)]
}

pub(super) fn config_map(map: &Value, now: Timestamp) -> Vec<Value> {
    let entries = size(&map["data"]) + size(&map["binaryData"]);
    vec![name(map), json!(entries), age::since_creation(map, now)]
}

pub(super) fn secret(secret: &Value, now: Timestamp) -> Vec<Value> {
    let kind = text_or(&secret["type"], "Opaque");
    vec![name(secret), json!(kind), json!(size(&secret["data"])), age::since_creation(secret, now)]
}

pub(super) fn lease(lease: &Value, now: Timestamp) -> Vec<Value> {
    let holder = text_or(&lease["spec"]["holderIdentity"], "");
    vec![name(lease), json!(holder), age::since_creation(lease, now)]
}

fn size(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

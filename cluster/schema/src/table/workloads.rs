//! The rows of pods, Deployments and ReplicaSets.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cells::{condition, items, labels, name, text_or};

/// A pod's state as its row shows it.
struct Summary {
    reason: String,
    ready: usize,
    restarts: i64,
    last_restart: Option<Value>,
}

pub(super) fn pod(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = summarise(pod);
    let sidecars = items(&pod["spec"]["initContainers"])
        .iter()
        .filter(|c| c["restartPolicy"] == "Always")
        .count();
    let total = items(&pod["spec"]["containers"]).len() + sidecars;
    let restarts = match &summary.last_restart {
        Some(at) if summary.restarts > 0 => {
            format!("{} ({} ago)", summary.restarts, age::since(at, now))
        }
        Some(_) | None => summary.restarts.to_string(),
    };
    let gates = items(&pod["spec"]["readinessGates"]);
    let passed =
        gates.iter().filter(|g| condition(pod, text_or(&g["conditionType"], ""), "True")).count();
    vec![
        name(pod),
        json!(format!("{}/{total}", summary.ready)),
        json!(summary.reason),
        json!(restarts),
        age::since_creation(pod, now),
        json!(text_or(&pod["status"]["podIP"], "<none>")),
        json!(text_or(&pod["spec"]["nodeName"], "<none>")),
        json!(text_or(&pod["status"]["nominatedNodeName"], "<none>")),
        if gates.is_empty() { json!("<none>") } else { json!(format!("{passed}/{}", gates.len())) },
    ]
}

fn summarise(pod: &Value) -> Summary {
    let status = &pod["status"];
    let phase = text_or(&status["phase"], "Unknown");
    let mut summary = Summary {
        reason: text_or(&status["reason"], phase).to_owned(),
        ready: 0,
        restarts: 0,
        last_restart: None,
    };
    let gated = items(&status["conditions"])
        .iter()
        .any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated");
    if gated {
        summary.reason = "SchedulingGated".to_owned();
    }
    let initialising = init_containers(pod, &mut summary);
    if !initialising || condition(pod, "Initialized", "True") {
        containers(pod, &mut summary);
    }
    if pod["metadata"]["deletionTimestamp"].is_string() && !matches!(phase, "Succeeded" | "Failed")
    {
        let lost = status["reason"] == "NodeLost";
        summary.reason = if lost { "Unknown" } else { "Terminating" }.to_owned();
    }
    summary
}

/// Counts the init containers; true if one of them has not finished.
fn init_containers(pod: &Value, summary: &mut Summary) -> bool {
    let specs = items(&pod["spec"]["initContainers"]);
    for (index, container) in items(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
        count_restarts(container, summary);
        let state = &container["state"];
        let sidecar =
            specs.iter().any(|c| c["name"] == container["name"] && c["restartPolicy"] == "Always");
        if state["terminated"].is_object() && state["terminated"]["exitCode"] == 0 {
            continue;
        }
        if sidecar && container["started"] == true {
            summary.ready += usize::from(container["ready"] == true);
            continue;
        }
        let waiting = text_or(&state["waiting"]["reason"], "PodInitializing");
        summary.reason = if state["terminated"].is_object() {
            format!("Init:{}", ended(&state["terminated"]))
        } else if waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", specs.len())
        };
        return true;
    }
    false
}

fn containers(pod: &Value, summary: &mut Summary) {
    let mut running = false;
    // Once a pod runs, the restarts of its init containers no longer count.
    summary.restarts = 0;
    // In reverse, so that the first container's reason is kept.
    for container in items(&pod["status"]["containerStatuses"]).iter().rev() {
        count_restarts(container, summary);
        let state = &container["state"];
        if let Some(reason) = state["waiting"]["reason"].as_str().filter(|r| !r.is_empty()) {
            summary.reason = reason.to_owned();
        } else if state["terminated"].is_object() {
            summary.reason = ended(&state["terminated"]);
        } else if container["ready"] == true && state["running"].is_object() {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" && running {
        summary.reason =
            if condition(pod, "Ready", "True") { "Running" } else { "NotReady" }.to_owned();
    }
}

fn count_restarts(container: &Value, summary: &mut Summary) {
    summary.restarts += container["restartCount"].as_i64().unwrap_or(0);
    let finished = &container["lastState"]["terminated"]["finishedAt"];
    let later = summary.last_restart.as_ref().is_none_or(|at| finished.as_str() > at.as_str());
    if finished.is_string() && later {
        summary.last_restart = Some(finished.clone());
    }
}

fn ended(terminated: &Value) -> String {
    if let Some(reason) = terminated["reason"].as_str().filter(|r| !r.is_empty()) {
        return reason.to_owned();
    }
    match terminated["signal"].as_i64() {
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        Some(_) | None => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
    }
}

pub(super) fn deployment(deployment: &Value, now: Timestamp) -> Vec<Value> {
    let status = &deployment["status"];
    let mut cells = vec![
        name(deployment),
        json!(format!(
            "{}/{}",
            count(&status["readyReplicas"]),
            count(&deployment["spec"]["replicas"])
        )),
        json!(count(&status["updatedReplicas"])),
        json!(count(&status["availableReplicas"])),
        age::since_creation(deployment, now),
    ];
    cells.extend(template(deployment));
    cells
}

pub(super) fn replica_set(set: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![
        name(set),
        json!(count(&set["spec"]["replicas"])),
        json!(count(&set["status"]["replicas"])),
        json!(count(&set["status"]["readyReplicas"])),
        age::since_creation(set, now),
    ];
    cells.extend(template(set));
    cells
}

/// Containers, images and selector, for `-o wide`.
fn template(object: &Value) -> [Value; 3] {
    let containers = items(&object["spec"]["template"]["spec"]["containers"]);
    let all = |field: &str| {
        containers.iter().map(|c| text_or(&c[field], "")).collect::<Vec<_>>().join(",")
    };
    [json!(all("name")), json!(all("image")), json!(selector(&object["spec"]["selector"]))]
}

/// A label selector as it is written on a command line.
fn selector(selector: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    if selector["matchLabels"].as_object().is_some_and(|m| !m.is_empty()) {
        parts.push(labels(&selector["matchLabels"]));
    }
    for requirement in items(&selector["matchExpressions"]) {
        let key = text_or(&requirement["key"], "");
        let values: Vec<&str> =
            items(&requirement["values"]).iter().map(|v| text_or(v, "")).collect();
        parts.push(match requirement["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            Some(_) | None => key.to_owned(),
        });
    }
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}

fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

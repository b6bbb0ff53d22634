//! Rows of autoscalers.
//!
//! Upstream: `pkg/printers/internalversion/printers.go` (`printHorizontalPodAutoscaler`).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cells::name;

/// Metrics that are written out; more of them are counted.
const SHOWN: usize = 2;

pub(super) fn horizontal_pod_autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = &spec["scaleTargetRef"];
    let min =
        spec["minReplicas"].as_i64().map_or_else(|| json!("<unset>"), |min| json!(min.to_string()));
    vec![
        name(object),
        json!(format!("{}/{}", text(&target["kind"]), text(&target["name"]))),
        json!(targets(spec, status)),
        min,
        json!(spec["maxReplicas"].as_i64().unwrap_or_default()),
        json!(status["currentReplicas"].as_i64().unwrap_or_default()),
        age::since_creation(object, now),
    ]
}

/// `cpu: 40%/75%, memory: <unknown>/100Mi`.
fn targets(spec: &Value, status: &Value) -> String {
    let metrics = spec["metrics"].as_array().map_or(&[][..], Vec::as_slice);
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let current = status["currentMetrics"].as_array().map_or(&[][..], Vec::as_slice);
    let mut shown: Vec<String> =
        metrics.iter().take(SHOWN).map(|metric| one(metric, current)).collect();
    if metrics.len() > SHOWN {
        shown.push(format!("{} more...", metrics.len() - SHOWN));
    }
    shown.join(", ")
}

fn one(metric: &Value, current: &[Value]) -> String {
    for source in ["resource", "containerResource"] {
        let of = &metric[source];
        if let Some(name) = of["name"].as_str() {
            let found = current.iter().map(|c| &c[source]).find(|c| c["name"] == name);
            let value = found.map_or(&Value::Null, |found| &found["current"]);
            return format!("{name}: {}", pair(value, &of["target"]));
        }
    }
    for source in ["pods", "object", "external"] {
        let of = &metric[source];
        if of.is_object() {
            let name = of["metric"]["name"].as_str();
            let found = current.iter().map(|c| &c[source]);
            let found = found.into_iter().find(|c| c["metric"]["name"].as_str() == name);
            let value = found.map_or(&Value::Null, |found| &found["current"]);
            return pair(value, &of["target"]);
        }
    }
    "<unknown type>".to_owned()
}

fn pair(value: &Value, target: &Value) -> String {
    let unknown = || "<unknown>".to_owned();
    if let Some(goal) = target["averageUtilization"].as_i64() {
        let now =
            value["averageUtilization"].as_i64().map_or_else(unknown, |now| format!("{now}%"));
        return format!("{now}/{goal}%");
    }
    for field in ["averageValue", "value"] {
        if let Some(goal) = target[field].as_str() {
            let now = value[field].as_str().map_or_else(unknown, str::to_owned);
            return format!("{now}/{goal}");
        }
    }
    "<auto>".to_owned()
}

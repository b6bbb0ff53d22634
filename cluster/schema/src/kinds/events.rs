//! Events: one object, served by two groups under different field names.
//!
//! A recorder writes to `events.k8s.io`, `kubectl describe` reads from the core group. What is stored is the core form;
//! the other group's requests are translated on the way in, and its answers on the way out.

use serde_json::{Map, Value, json};

/// Names that differ: in the core group, in `events.k8s.io`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The core form of an event of `events.k8s.io`.
#[must_use]
pub fn to_core(event: &Value) -> Value {
    renamed(event, "v1", |name| NAMES.iter().find(|(_, new)| *new == name).map(|(core, _)| *core))
}

/// The `events.k8s.io` form of a core event.
#[must_use]
pub fn from_core(event: &Value) -> Value {
    let newer = |name: &str| NAMES.iter().find(|(core, _)| *core == name).map(|(_, new)| *new);
    renamed(event, "events.k8s.io/v1", newer)
}

fn renamed(
    event: &Value,
    api_version: &str,
    other: impl Fn(&str) -> Option<&'static str>,
) -> Value {
    let fields = event.as_object().into_iter().flatten();
    let mut result: Map<String, Value> = fields
        .map(|(name, value)| (other(name).unwrap_or(name).to_owned(), value.clone()))
        .collect();
    result.insert("apiVersion".to_owned(), json!(api_version));
    Value::Object(result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{from_core, to_core};

    #[test]
    fn an_event_is_the_same_in_both_groups() {
        let core = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "p"}, "message": "m", "reason": "r", "type": "Normal",
            "reportingComponent": "c", "reportingInstance": "i", "eventTime": "t", "count": 2,
        });
        let other = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"kind": "Pod", "name": "p"}, "note": "m", "reason": "r", "type": "Normal",
            "reportingController": "c", "reportingInstance": "i", "eventTime": "t", "deprecatedCount": 2,
        });
        assert_eq!(from_core(&core), other);
        assert_eq!(to_core(&other), core);
    }
}

//! Versions of a kind: from the form that is stored to the one that a version serves, and back.
//!
//! Versions of a CRD differ in `apiVersion` alone, as with the conversion strategy `None`. Events are
//! stored as `v1`, and `events.k8s.io/v1` serves the same objects with other names for some fields.
//!
//! Upstream: `pkg/apis/events/v1/conversion.go`.

use serde_json::{Map, Value};

use super::Resource;

/// An Event's fields that have two names: in `v1`, in `events.k8s.io/v1`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The name of an Event's field in `v1`.
fn core_name(name: &str) -> Option<&'static str> {
    EVENT_FIELDS.iter().find(|(_, newer)| *newer == name).map(|(core, _)| *core)
}

/// The name of an Event's field in `events.k8s.io/v1`.
fn newer_name(name: &str) -> Option<&'static str> {
    EVENT_FIELDS.iter().find(|(core, _)| *core == name).map(|(_, newer)| *newer)
}

/// An object of this resource in the version in which it is stored. Idempotent.
#[must_use]
pub fn to_stored(resource: &Resource, object: Value) -> Value {
    let api_version = resource.storage.api_version();
    if is_newer_event(resource) {
        return renamed(object, api_version, core_name);
    }
    in_version(object, api_version)
}

/// A stored object in the version that this resource serves.
#[must_use]
pub fn from_stored(resource: &Resource, object: Value) -> Value {
    if is_newer_event(resource) {
        return renamed(object, resource.api_version(), newer_name);
    }
    in_version(object, resource.api_version())
}

/// A selectable field by its name in the stored version: `regarding.name` is `involvedObject.name`.
#[must_use]
pub fn stored_field(resource: &Resource, field: &str) -> String {
    if !is_newer_event(resource) {
        return field.to_owned();
    }
    let (first, rest) = field.split_once('.').map_or((field, ""), |(first, rest)| (first, rest));
    let first = core_name(first).unwrap_or(first);
    if rest.is_empty() { first.to_owned() } else { format!("{first}.{rest}") }
}

fn is_newer_event(resource: &Resource) -> bool {
    resource.is("events.k8s.io", "Event")
}

fn in_version(mut object: Value, api_version: String) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), api_version.into());
    }
    object
}

fn renamed(
    object: Value,
    api_version: String,
    other: impl Fn(&str) -> Option<&'static str>,
) -> Value {
    let Value::Object(fields) = object else { return object };
    let renamed: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| match other(&name) {
            Some(other) => (other.to_owned(), value),
            None => (name, value),
        })
        .collect();
    in_version(Value::Object(renamed), api_version)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{from_stored, stored_field, to_stored};
    use crate::kinds::Kinds;

    #[test]
    fn an_event_is_the_same_in_both_groups() {
        let kinds = Kinds::new();
        let newer = kinds.by_kind("events.k8s.io", "v1", "Event").unwrap();
        let core = kinds.by_kind("", "v1", "Event").unwrap();
        let stored = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "p"}, "message": "m", "reason": "r", "type": "Normal",
            "reportingComponent": "c", "reportingInstance": "i", "eventTime": "t", "count": 2,
        });
        let other = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"kind": "Pod", "name": "p"}, "note": "m", "reason": "r", "type": "Normal",
            "reportingController": "c", "reportingInstance": "i", "eventTime": "t", "deprecatedCount": 2,
        });
        assert_eq!(from_stored(&newer, stored.clone()), other);
        assert_eq!(to_stored(&newer, other), stored);
        assert_eq!(to_stored(&newer, stored.clone()), stored);
        assert_eq!(from_stored(&core, stored.clone()), stored);
        for (field, name) in [
            ("regarding.name", "involvedObject.name"),
            ("reportingController", "reportingComponent"),
            ("reason", "reason"),
        ] {
            assert_eq!(stored_field(&newer, field), name);
            assert_eq!(stored_field(&core, name), name);
        }
    }
}

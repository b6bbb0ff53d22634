//! Builders and printers for tests: objects from YAML, plans as text.

use std::fmt::Write as _;

use jiff::Timestamp;
use rouse_api::condition::{self, Condition};
use rouse_kit::{ApplyError, Plan};
use serde::de::DeserializeOwned;

/// 2026-03-02T10:00:00Z
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_772_445_600).unwrap()
}

/// An object from YAML.
pub(crate) fn object<K: DeserializeOwned>(yaml: &str) -> K {
    serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// Writes, notices and conditions, a line each.
pub(crate) fn text<S>(plan: &Plan<S>, conditions: impl Fn(&S) -> &[Condition]) -> String {
    let mut text = plan.to_string();
    let conditions = plan.status.as_ref().map(conditions).unwrap_or_default();
    for condition in conditions {
        writeln!(text, "{}={}", condition.type_, told(conditions, &condition.type_)).unwrap();
    }
    text
}

/// One condition as text: `False RevisionMissing none`. Empty if it is absent.
pub(crate) fn told(conditions: &[Condition], type_: &str) -> String {
    condition::find(conditions, type_)
        .map(|Condition { status, reason, message, .. }| {
            format!("{status:?} {reason} {message}").trim_end().to_owned()
        })
        .unwrap_or_default()
}

/// The server's answer to a write that it will never take.
pub(crate) fn refusal(kind: &str) -> ApplyError {
    ApplyError::Refused {
        what: format!("create {kind} shop/hello"),
        kind: kind.to_owned(),
        code: 422,
        reason: "Invalid".to_owned(),
        message: "no".to_owned(),
    }
}

//! Builders and printers for tests: objects from YAML, plans as text.

use std::fmt::Write as _;

use jiff::Timestamp;
use rouse_api::condition::{Condition, ConditionStatus};
use rouse_kit::Plan;
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
    for condition in plan.status.as_ref().map(conditions).unwrap_or_default() {
        let Condition { type_, status, reason, message, .. } = condition;
        let value = match status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        };
        let line = format!("{type_}={value} {reason} {message}");
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text
}

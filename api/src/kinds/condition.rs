//! Conditions: the type, and the algebra by which dependents make up Ready.
//!
//! A kind says once which conditions decide its Ready ([`ConditionSet`]); code that computes a
//! status marks conditions through [`Conditions`], and Ready follows. `now` is passed in, and a
//! `lastTransitionTime` moves only when its condition really changed.
//!
//! ```text
//! dependents                        Ready
//! one False                         False, with its reason and message
//! none False, one Unknown/absent    Unknown, with its reason and message
//! all True                          True
//! ```
//!
//! Upstream: `vendor/knative.dev/pkg/apis/condition_types.go`, `condition_set.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The condition that sums up an object.
pub const READY: &str = "Ready";
/// The reason of a Ready that was reset because the object's spec changed.
pub const NEW_GENERATION: &str = "NewObservedGenFailure";
const NEW_GENERATION_MESSAGE: &str = "unsuccessfully observed a new generation";
/// Severity of a condition that does not decide Ready.
const INFO: &str = "Info";

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// One observation about an object. Sorted by `type_` in a status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: ConditionStatus,
    /// Empty for conditions that decide Ready, `Info` for the others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Condition {
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }

    #[must_use]
    pub fn is_false(&self) -> bool {
        self.status == ConditionStatus::False
    }

    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.status == ConditionStatus::Unknown
    }

    /// Equal except for the time.
    fn equals_except_time(&self, other: &Self) -> bool {
        self.status == other.status
            && self.reason == other.reason
            && self.message == other.message
            && self.severity == other.severity
    }
}

/// The condition of that type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether a status says Ready for the object's present generation.
#[must_use]
pub fn is_ready(
    conditions: &[Condition],
    observed_generation: Option<i64>,
    generation: Option<i64>,
) -> bool {
    observed_generation == generation && find(conditions, READY).is_some_and(Condition::is_true)
}

/// Whether a status says that the object's present generation failed.
#[must_use]
pub fn is_failed(
    conditions: &[Condition],
    observed_generation: Option<i64>,
    generation: Option<i64>,
) -> bool {
    observed_generation == generation && find(conditions, READY).is_some_and(Condition::is_false)
}

/// Which conditions decide Ready for a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionSet {
    dependents: &'static [&'static str],
}

impl ConditionSet {
    #[must_use]
    pub const fn new(dependents: &'static [&'static str]) -> Self {
        Self { dependents }
    }

    #[must_use]
    pub const fn dependents(&self) -> &'static [&'static str] {
        self.dependents
    }

    /// Begins to change `list` at `now`.
    pub fn manage<'a>(&self, list: &'a mut Vec<Condition>, now: Timestamp) -> Conditions<'a> {
        Conditions { set: *self, list, now }
    }

    /// Begins a reconcile: all dependents exist, and Ready is Unknown if the object changed since
    /// the last one.
    pub fn begin<'a>(
        &self,
        list: &'a mut Vec<Condition>,
        observed_generation: Option<i64>,
        generation: Option<i64>,
        now: Timestamp,
    ) -> Conditions<'a> {
        let mut conditions = self.manage(list, now);
        conditions.initialize();
        if observed_generation != generation {
            conditions.mark_unknown(READY, NEW_GENERATION, NEW_GENERATION_MESSAGE);
        }
        conditions
    }

    fn is_dependent(&self, type_: &str) -> bool {
        self.dependents.contains(&type_)
    }
}

/// The conditions of one status, being changed.
#[derive(Debug)]
pub struct Conditions<'a> {
    set: ConditionSet,
    list: &'a mut Vec<Condition>,
    now: Timestamp,
}

impl Conditions<'_> {
    #[must_use]
    pub fn get(&self, type_: &str) -> Option<&Condition> {
        find(self.list, type_)
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.get(READY).is_some_and(Condition::is_true)
    }

    /// Adds Ready and its dependents where they are absent: Unknown, or True under a True Ready.
    pub fn initialize(&mut self) {
        if self.get(READY).is_none() {
            self.set_condition(READY, ConditionStatus::Unknown, "", "");
        }
        let status = if self.is_ready() { ConditionStatus::True } else { ConditionStatus::Unknown };
        for type_ in self.set.dependents {
            if self.get(type_).is_none() {
                self.set_condition(type_, status, "", "");
            }
        }
    }

    pub fn mark_true(&mut self, type_: &str) {
        self.mark_true_with_reason(type_, "", "");
    }

    /// True, with a reason and a message.
    pub fn mark_true_with_reason(&mut self, type_: &str, reason: &str, message: &str) {
        self.set_condition(type_, ConditionStatus::True, reason, message);
        self.recompute(type_);
    }

    pub fn mark_false(&mut self, type_: &str, reason: &str, message: &str) {
        self.set_condition(type_, ConditionStatus::False, reason, message);
        if self.set.is_dependent(type_) {
            self.set_condition(READY, ConditionStatus::False, reason, message);
        }
    }

    pub fn mark_unknown(&mut self, type_: &str, reason: &str, message: &str) {
        self.set_condition(type_, ConditionStatus::Unknown, reason, message);
        let failed =
            self.set.dependents.iter().any(|d| self.get(d).is_some_and(Condition::is_false));
        if failed {
            // A failure outweighs an Unknown.
            if !self.get(READY).is_some_and(Condition::is_false) {
                self.set_condition(READY, ConditionStatus::False, reason, message);
            }
        } else if self.set.is_dependent(type_) {
            self.set_condition(READY, ConditionStatus::Unknown, reason, message);
        }
    }

    /// Marks by another object's condition: a Service's `RoutesReady` by its Route's Ready.
    pub fn mark_from(&mut self, type_: &str, source: Option<&Condition>) {
        match source.map(|c| (c.status, c.reason.as_str(), c.message.as_str())) {
            Some((ConditionStatus::True, reason, message)) => {
                self.mark_true_with_reason(type_, reason, message);
            }
            Some((ConditionStatus::False, reason, message)) => {
                self.mark_false(type_, reason, message);
            }
            Some((ConditionStatus::Unknown, reason, message)) => {
                self.mark_unknown(type_, reason, message);
            }
            None => self.mark_unknown(type_, "", ""),
        }
    }

    /// Removes a condition that does not decide Ready.
    pub fn clear(&mut self, type_: &str) {
        debug_assert!(type_ != READY && !self.set.is_dependent(type_), "{type_} decides Ready");
        self.list.retain(|c| c.type_ != type_);
    }

    /// Ready, after `changed` became True.
    fn recompute(&mut self, changed: &str) {
        match self.unhappy() {
            Some((status, reason, message)) => {
                self.set_condition(READY, status, &reason, &message);
            }
            None if changed != READY => {
                self.set_condition(READY, ConditionStatus::True, "", "");
            }
            None => {}
        }
    }

    /// The dependent that keeps Ready from True: False before Unknown, the latest to change first.
    fn unhappy(&self) -> Option<(ConditionStatus, String, String)> {
        let mut present: Vec<&Condition> =
            self.list.iter().filter(|c| self.set.is_dependent(&c.type_)).collect();
        present.sort_by_key(|c| std::cmp::Reverse(c.last_transition_time.as_ref().map(|t| t.0)));
        let worst = present
            .iter()
            .find(|c| c.is_false())
            .or_else(|| present.iter().find(|c| c.is_unknown()));
        match worst {
            Some(c) => Some((c.status, c.reason.clone(), c.message.clone())),
            None if present.len() < self.set.dependents.len() => {
                Some((ConditionStatus::Unknown, String::new(), String::new()))
            }
            None => None,
        }
    }

    fn set_condition(&mut self, type_: &str, status: ConditionStatus, reason: &str, message: &str) {
        let decides = type_ == READY || self.set.is_dependent(type_);
        let condition = Condition {
            type_: type_.to_owned(),
            status,
            severity: if decides { String::new() } else { INFO.to_owned() },
            last_transition_time: Some(Time(self.now)),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        match self.list.iter_mut().find(|c| c.type_ == type_) {
            Some(present) if present.equals_except_time(&condition) => {}
            Some(present) => *present = condition,
            None => self.list.push(condition),
        }
        self.list.sort_by(|a, b| a.type_.cmp(&b.type_));
    }
}

#[cfg(test)]
mod tests;

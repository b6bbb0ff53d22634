//! `status.rollout`: how far a Route has moved traffic to the latest Revisions of its Configurations.
//!
//! The fields are those of Knative's annotation `networking.internal.knative.dev/rollout`; times are nanoseconds, as
//! there.

use serde::{Deserialize, Serialize};

/// The state of all targets that follow a Configuration, by tag and then by Configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configurations: Vec<ConfigurationRollout>,
}

/// One Configuration under one tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationRollout {
    pub configuration_name: String,
    /// Empty for the Route's own host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// The sum of the Revisions' percents.
    pub percent: i64,
    /// From the oldest to the newest; more than one while traffic moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionRollout>,
    #[serde(default, skip_serializing_if = "Steps::is_unset")]
    pub step_params: Steps,
}

/// The share of one Revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRollout {
    pub revision_name: String,
    pub percent: i64,
}

/// When traffic moves, and how much of it. Zero is unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Steps {
    /// When the newest Revision got its first percent.
    #[serde(rename = "starttime", skip_serializing_if = "is_zero")]
    pub start_time: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub next_step_time: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub step_duration: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub step_size: i64,
}

impl Steps {
    fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Rollout {
    /// Whether no traffic is moving.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.configurations.iter().all(|configuration| configuration.revisions.len() < 2)
    }

    /// The state of a Configuration under a tag.
    #[must_use]
    pub fn get(&self, tag: &str, configuration: &str) -> Option<&ConfigurationRollout> {
        let mut all = self.configurations.iter();
        all.find(|c| c.tag == tag && c.configuration_name == configuration)
    }
}

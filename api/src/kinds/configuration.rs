//! Configuration: the desired state of the latest Revision.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, ConditionSet};
use super::revision::RevisionTemplate;

/// A Configuration sets its Ready itself.
pub const CONDITIONS: ConditionSet = ConditionSet::new(&[]);

#[derive(kube::CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "serving.knative.dev",
    version = "v1",
    kind = "Configuration",
    namespaced,
    status = "ConfigurationStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct ConfigurationSpec {
    #[serde(default)]
    pub template: RevisionTemplate,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_ready_revision_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_created_revision_name: Option<String>,
}

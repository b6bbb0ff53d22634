//! Revision: one immutable snapshot of code and configuration.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use serde::{Deserialize, Serialize};

use super::condition::{Condition, ConditionSet};

pub const RESOURCES_AVAILABLE: &str = "ResourcesAvailable";
pub const CONTAINER_HEALTHY: &str = "ContainerHealthy";
/// Informational: a Revision that is scaled to zero is still Ready.
pub const ACTIVE: &str = "Active";
/// Informational, and there only while it is False: a registry could not be asked for an image's digest, and pods have
/// the image that its name leads to.
pub const IMAGES_PINNED: &str = "ImagesPinned";
/// Informational, and there only while it is False: fewer pods are ready than are wanted, and why.
pub const SCALE_REACHED: &str = "ScaleReached";
/// Informational, and there only while it is False: what the Revision asks for and does not get.
pub const SETTINGS_EFFECTIVE: &str = "SettingsEffective";
/// The conditions that decide a Revision's Ready.
pub const CONDITIONS: ConditionSet = ConditionSet::new(&[RESOURCES_AVAILABLE, CONTAINER_HEALTHY]);

/// A Revision's pod, and the limits of its requests.
#[derive(kube::CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "serving.knative.dev",
    version = "v1",
    kind = "Revision",
    namespaced,
    status = "RevisionStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct RevisionSpec {
    /// Most requests in one pod at a time; 0 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_concurrency: Option<i64>,
    /// Longest a request may take, waiting included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// Longest until the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_start_timeout_seconds: Option<i64>,
    /// Longest without a byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<i64>,
    #[serde(flatten)]
    pub pod: PodSpec,
}

/// Metadata and spec of the Revisions that a Configuration stamps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RevisionTemplate {
    #[serde(default)]
    pub metadata: TemplateMeta,
    #[serde(default)]
    pub spec: RevisionSpec,
}

/// The part of object metadata that a template may carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TemplateMeta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub container_statuses: Vec<ContainerImage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_container_statuses: Vec<ContainerImage>,
    /// Ready pods; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual_replicas: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
}

/// The image that a container is pinned to, as `repository@digest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerImage {
    #[serde(default)]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image_digest: String,
}

//! PodAutoscaler: the scaling of one Revision. Its autoscaling annotations are the revision's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use super::condition::{Condition, ConditionSet};

pub const ACTIVE: &str = "Active";
pub const SCALE_TARGET_INITIALIZED: &str = "ScaleTargetInitialized";
/// The conditions that decide a PodAutoscaler's Ready. Without ServerlessService, no `SKSReady`.
pub const CONDITIONS: ConditionSet = ConditionSet::new(&[ACTIVE, SCALE_TARGET_INITIALIZED]);

#[derive(kube::CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "autoscaling.internal.knative.dev",
    version = "v1alpha1",
    kind = "PodAutoscaler",
    plural = "podautoscalers",
    shortname = "kpa",
    shortname = "pa",
    namespaced,
    status = "PodAutoscalerStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct PodAutoscalerSpec {
    /// Most requests in one pod at a time; 0 is no limit.
    #[serde(default)]
    pub container_concurrency: i64,
    /// The Deployment whose scale is set.
    pub scale_target_ref: ScaleTarget,
    /// Whether any Route sends traffic to the Revision, if that is known.
    #[serde(default)]
    pub reachability: Reachability,
    #[serde(default)]
    pub protocol_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTarget {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

/// Unknown is treated like reachable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reachability {
    #[default]
    #[serde(rename = "")]
    Unknown,
    Reachable,
    Unreachable,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodAutoscalerStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_scale: Option<i32>,
    /// Ready pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual_scale: Option<i32>,
    /// Rouse's own: the last 20 changes of scale, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<ScaleChange>,
}

/// One change of scale, with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleChange {
    pub time: Time,
    pub from: i32,
    pub to: i32,
    /// A word for programs, such as `Woken`, `StableWindowEmpty`, `Panic`.
    pub reason: String,
    /// A sentence for people, with the numbers that decided.
    pub message: String,
    /// Average over the stable window, in requests in flight or requests a second.
    pub stable: f64,
    /// Average over the panic window.
    pub panic: f64,
    /// The target load of one pod, after utilization.
    pub target: f64,
    pub ready: i32,
    pub queued: i32,
}

//! The inputs of the decision on a Revision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use rouse_api::config::ApiConfig;
use rouse_api::config::cloud_run::ServiceScale;
use rouse_api::{PodAutoscaler, Revision};
use rouse_k8s::condition::{FALSE, TRUE, find};

use crate::lookups::images::Pinned;

/// The reason of a Deployment that takes too long, and of a Revision without its initial scale.
pub(super) const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";

/// All inputs of the decision.
pub(crate) struct Observed {
    pub(super) images: Pinned,
    /// The objects with its children's names, of any owner.
    pub(super) deployment: Option<Arc<Deployment>>,
    pub(super) autoscaler: Option<Arc<PodAutoscaler>>,
    pub(super) pods: Vec<Arc<Pod>>,
    /// Deleted Routes that the Revision still lists.
    pub(super) gone_routes: Vec<String>,
    pub(super) settings: Settings,
}

impl Observed {
    /// Whether the Deployment has taken longer than its progress deadline.
    pub(super) fn deadline_exceeded(&self) -> bool {
        self.deployment_failure().is_some_and(|(reason, _)| reason == PROGRESS_DEADLINE_EXCEEDED)
    }

    /// Why the Deployment cannot go on, if it says so: the reason and the message.
    pub(super) fn deployment_failure(&self) -> Option<(String, String)> {
        let status = self.deployment.as_ref()?.status.as_ref()?;
        let conditions = status.conditions.as_deref()?;
        let of = |type_, status| find(conditions, type_).filter(|c| c.status == status);
        let failed = of("ReplicaFailure", TRUE).or_else(|| of("Progressing", FALSE))?;
        let reason = failed.reason.clone().unwrap_or_default();
        Some((reason, failed.message.clone().unwrap_or_default()))
    }
}

/// Settings of the platform's operator, and those of the Service that are in no Revision.
pub(crate) struct Settings {
    pub(super) service_scale: ServiceScale,
    pub(super) config: Arc<ApiConfig>,
    /// How long a pod keeps serving after its deletion was decided.
    pub(super) drain: Duration,
}

impl Settings {
    /// The Revision's annotations, with its scale within the bounds of its Service.
    pub(super) fn annotations(&self, revision: &Revision) -> BTreeMap<String, String> {
        self.service_scale.narrowed(revision.annotations(), &self.config.autoscaler)
    }
}

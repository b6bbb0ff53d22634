//! The PodAutoscaler of a Revision.
//!
//! Upstream: pkg/reconciler/revision/resources/pa.go.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Resource, ResourceExt};
use rouse_api::condition::{self, Condition};
use rouse_api::names::deployment_name;
use rouse_api::podautoscaler::{Reachability, ScaleTarget};
use rouse_api::revision::{CONTAINER_HEALTHY, RESOURCES_AVAILABLE};
use rouse_api::{PodAutoscaler, PodAutoscalerSpec, Revision, keys};

use super::deployment::{NOT_FOR_CHILDREN, labels, serving_port_name};
use super::observed::Settings;
use crate::objects::children::{Map, filtered, meta};
use crate::objects::meta::name;

/// `annotations` are those of the Revision within the bounds of its Service.
pub(super) fn build(
    revision: &Revision,
    deployment: Option<&Deployment>,
    settings: &Settings,
    annotations: &Map,
) -> PodAutoscaler {
    let mut annotations = filtered(annotations, NOT_FOR_CHILDREN);
    annotations
        .entry(keys::CLASS.to_owned())
        .or_insert_with(|| settings.config.autoscaler.pod_autoscaler_class.clone());
    let protocol = if serving_port_name(revision) == Some("h2c") { "h2c" } else { "http1" };
    PodAutoscaler {
        metadata: meta(revision, name(revision), labels(revision), annotations),
        spec: PodAutoscalerSpec {
            container_concurrency: revision.spec.container_concurrency.unwrap_or_default(),
            scale_target_ref: ScaleTarget {
                api_version: Deployment::api_version(&()).into_owned(),
                kind: Deployment::kind(&()).into_owned(),
                name: deployment_name(name(revision)),
            },
            reachability: reachability(revision, deployment),
            protocol_type: protocol.to_owned(),
        },
        status: None,
    }
}

/// `found` with all that follows from the Revision; its own labels and status stay.
pub(super) fn updated(found: &PodAutoscaler, wanted: PodAutoscaler) -> PodAutoscaler {
    PodAutoscaler {
        metadata: kube::api::ObjectMeta {
            annotations: wanted.metadata.annotations,
            ..found.metadata.clone()
        },
        spec: wanted.spec,
        status: found.status.clone(),
    }
}

/// Whether requests may come. A Revision whose pods all fail is not kept at its minimum scale.
fn reachability(revision: &Revision, deployment: Option<&Deployment>) -> Reachability {
    let conditions = revision.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let failed = [RESOURCES_AVAILABLE, CONTAINER_HEALTHY]
        .iter()
        .any(|type_| condition::find(conditions, type_).is_some_and(Condition::is_false));
    let wanted = deployment.and_then(|d| d.spec.as_ref()?.replicas).unwrap_or_default();
    let ready = deployment.and_then(|d| d.status.as_ref()?.ready_replicas).unwrap_or_default();
    if failed && wanted > 0 && ready == 0 {
        return Reachability::Unreachable;
    }
    match revision.labels().get(keys::ROUTING_STATE).map(String::as_str) {
        Some("active") => Reachability::Reachable,
        Some("reserve") => Reachability::Unreachable,
        Some(_) | None => Reachability::Unknown,
    }
}

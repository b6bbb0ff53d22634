//! The pod of a template, tried at admission: for a dry run, and where an annotation or `config-features` asks for it.
//!
//! Upstream: `pkg/webhook/podspec_dryrun.go`.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};
use rouse_api::config::ApiConfig;
use rouse_api::config::features::{Flag, POD_SPEC_DRY_RUN};
use rouse_api::{Revision, keys};
use serde_json::{Value, json};

use super::refusal::refuse;
use crate::revision::pod_of;

/// Tries to create a pod in a namespace without storing it; an error is the API server's answer.
pub type TryPod = Arc<dyn Fn(&str, &Pod) -> Result<(), String> + Send + Sync>;

/// The name of the pod, which is never stored.
const NAME: &str = "dry-run-validation";

/// `response`, or the refusal of the pod.
pub(super) fn tried(
    request: &AdmissionRequest<DynamicObject>,
    response: AdmissionResponse,
    config: &ApiConfig,
    try_pod: &TryPod,
) -> AdmissionResponse {
    let object = request.object.as_ref().and_then(|object| serde_json::to_value(object).ok());
    let Some(object) = object.filter(|object| is_wanted(object, request.dry_run, config)) else {
        return response;
    };
    let Some(pod) = pod(&object, config) else { return response };
    let namespace = request.namespace.as_deref().unwrap_or_default();
    match try_pod(namespace, &pod) {
        Ok(()) => response,
        Err(why) => {
            let why = why.replace(&format!("{NAME:?} "), "");
            refuse(
                response,
                &format!("validation callback failed: dry run failed with {why}: spec.template"),
            )
        }
    }
}

/// Whether the pod is tried, by the mode in the annotation and by the feature.
fn is_wanted(object: &Value, dry_run: bool, config: &ApiConfig) -> bool {
    let of_kind = matches!(object["kind"].as_str(), Some("Service" | "Configuration"));
    let mode = object["metadata"]["annotations"][keys::POD_SPEC_DRY_RUN].as_str();
    let asked = matches!(mode, Some("enabled" | "strict"));
    of_kind
        && match config.features.get(POD_SPEC_DRY_RUN) {
            Flag::Enabled => true,
            Flag::Disabled => dry_run,
            Flag::Allowed | Flag::AllowRootBounded => dry_run || asked,
        }
}

/// The pod that a Revision of the template would have.
fn pod(object: &Value, config: &ApiConfig) -> Option<Pod> {
    let template = &object["spec"]["template"];
    let metadata = json!({
        "name": NAME, "namespace": object["metadata"]["namespace"],
        "labels": template["metadata"]["labels"],
        "annotations": template["metadata"]["annotations"],
    });
    let revision = json!({ "metadata": metadata, "spec": template["spec"] });
    let revision: Revision = serde_json::from_value(revision).ok()?;
    Some(pod_of(&revision, config))
}

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
    let object = request.object.as_ref().filter(|object| is_wanted(object, request, config));
    let Some(pod) = object.and_then(|object| pod(object, config)) else { return response };
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

/// Whether the pod is tried, by the mode in the annotation and by the feature. It is not for an object that is being
/// deleted, nor for a template that stays as it is.
fn is_wanted(
    object: &DynamicObject,
    request: &AdmissionRequest<DynamicObject>,
    config: &ApiConfig,
) -> bool {
    if !matches!(request.kind.kind.as_str(), "Service" | "Configuration")
        || object.metadata.deletion_timestamp.is_some()
    {
        return false;
    }
    let annotations = object.metadata.annotations.as_ref();
    let mode = annotations.and_then(|all| all.get(keys::POD_SPEC_DRY_RUN)).map(String::as_str);
    let asked = matches!(mode, Some("enabled" | "strict"));
    let wanted = match config.features.get(POD_SPEC_DRY_RUN) {
        Flag::Enabled => true,
        Flag::Disabled => request.dry_run,
        Flag::Allowed | Flag::AllowRootBounded => request.dry_run || asked,
    };
    wanted && request.old_object.as_ref().is_none_or(|old| template(old) != template(object))
}

fn template(object: &DynamicObject) -> Option<&Value> {
    object.data.pointer("/spec/template")
}

/// The pod that a Revision of the template would have.
fn pod(object: &DynamicObject, config: &ApiConfig) -> Option<Pod> {
    let template = template(object)?;
    let metadata = json!({
        "name": NAME, "namespace": object.metadata.namespace,
        "labels": template["metadata"]["labels"],
        "annotations": template["metadata"]["annotations"],
    });
    let revision = json!({ "metadata": metadata, "spec": template["spec"] });
    let revision: Revision = serde_json::from_value(revision).ok()?;
    Some(pod_of(&revision, config))
}

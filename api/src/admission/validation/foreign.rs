//! Annotations that change nothing here, each warned of by its name: those of Google Cloud Run, those
//! of parts of Knative that Rouse does without, and misspelt ones.
//!
//! The names are those of Cloud Run's YAML reference.

use std::collections::BTreeMap;

use crate::config::AutoscalerConfig;
use crate::config::annotations as keyed;
use crate::config::callers;
use crate::config::cloud_run::{self, ServiceScale};
use crate::config::effects::{IN_PATH, NO_ISSUER, NO_SIDECAR, OWN_GATEWAY};
use crate::terms::field_error::{CURRENT_FIELD, FieldError, FieldErrors};
use crate::terms::keys;

const ALWAYS: &str = "a pod always has the CPU that it asks for";
const NO_CLOUD: &str = "it configures Google Cloud";
const NOTE: &str = "it is a note of a tool";
const NO_BUILD: &str = "`rouse deploy --source` builds from a folder";
/// On a Service they act.
const CALLERS: &str = "it belongs in metadata.annotations of the Service";

/// The annotation without `run.googleapis.com/`, and why it changes nothing here or what to write
/// in its stead.
pub const CLOUD_RUN: &[(&str, &str)] = &[
    ("base-images", NO_BUILD),
    ("binary-authorization", NO_CLOUD),
    ("binary-authorization-breakglass", NO_CLOUD),
    ("build-base-image", NO_BUILD),
    ("build-enable-automatic-updates", NO_BUILD),
    ("build-environment-variables", NO_BUILD),
    ("build-function-target", NO_BUILD),
    ("build-id", NOTE),
    ("build-image-uri", NO_BUILD),
    ("build-name", NOTE),
    ("build-service-account", NO_BUILD),
    ("build-source-location", NO_BUILD),
    ("build-worker-pool", NO_BUILD),
    ("client-name", NOTE),
    ("client-version", NOTE),
    ("cloudsql-instances", NO_CLOUD),
    ("container-dependencies", "containers start together; order them by init containers"),
    ("cpu-throttling", ALWAYS),
    ("custom-audiences", CALLERS),
    ("default-url-disabled", "name a domain of your own by a DomainMapping"),
    ("description", NOTE),
    ("encryption-key", NO_CLOUD),
    ("encryption-key-shutdown-hours", NO_CLOUD),
    ("execution-environment", "the runtime is chosen by `rouse up --runtime`"),
    ("gc-traffic-tags", "tags stay until they are taken away"),
    ("gpu-zonal-redundancy-disabled", NO_CLOUD),
    ("health-check-disabled", "a readiness probe decides"),
    ("ingress", CALLERS),
    ("ingress-status", NOTE),
    ("invoker-iam-disabled", CALLERS),
    ("launch-stage", "every feature is available"),
    ("manualInstanceCount", SCALES),
    ("maxScale", SCALES),
    ("minScale", SCALES),
    ("network-interfaces", NO_CLOUD),
    ("operation-id", NOTE),
    ("post-key-revocation-action-type", NO_CLOUD),
    ("scalingMode", SCALES),
    ("secrets", "a Secret is found by its name in the Service's namespace"),
    ("sessionAffinity", "each request goes to the pod with the fewest"),
    ("startup-cpu-boost", ALWAYS),
    ("urls", NOTE),
    ("vpc-access-connector", NO_CLOUD),
    ("vpc-access-egress", NO_CLOUD),
];

/// On a Service they act.
const SCALES: &str = "it belongs in metadata.annotations of the Service; for one Revision, write autoscaling.knative.dev/min-scale and max-scale";

/// Knative's own annotations for parts that Rouse does without.
const KNATIVE: &[(&str, &str)] = &[
    (keys::TARGET_BURST_CAPACITY, IN_PATH),
    ("autoscaling.knative.dev/targetBurstCapacity", IN_PATH),
    ("features.knative.dev/queueproxy-podinfo", NO_SIDECAR),
    ("networking.knative.dev/certificate-class", NO_ISSUER),
    ("networking.knative.dev/certificate.class", NO_ISSUER),
    ("networking.knative.dev/ingress-class", OWN_GATEWAY),
    ("networking.knative.dev/ingress.class", OWN_GATEWAY),
];

const SIDECAR_PREFIX: &str = "queue.sidecar.serving.knative.dev/";

/// Checks the bounds that Cloud Run sets for a whole Service. Its maximum has the cluster's limit, too.
pub(super) fn service_scale(
    annotations: &BTreeMap<String, String>,
    config: &AutoscalerConfig,
) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let max = ServiceScale::of(annotations).max;
    if let Some(limit) = config.max_scale_limit.filter(|limit| max > *limit) {
        let name = cloud_run::max_key(annotations);
        errors.push(FieldError::out_of_bounds(max, 1, limit, name));
    }
    for name in [cloud_run::SERVICE_MIN, cloud_run::SERVICE_MAX, cloud_run::MANUAL_COUNT] {
        let Some(text) = annotations.get(name) else { continue };
        match cloud_run::count(text) {
            None => errors.push(FieldError::invalid(text, name)),
            Some(0) if name == cloud_run::MANUAL_COUNT => {
                let why = "a Service is not switched off; delete it, or set minScale to 0";
                errors.extend(warnings(vec![no_effect(name, why)]));
            }
            Some(_) => {}
        }
    }
    if let Some(mode) = annotations.get(cloud_run::SCALING_MODE)
        && !matches!(mode.as_str(), "automatic" | "manual")
    {
        errors.push(FieldError::invalid(mode, cloud_run::SCALING_MODE));
    }
    errors
}

/// A warning for each annotation of a Service that nothing reads.
pub(super) fn of_service_without_effect(annotations: &BTreeMap<String, String>) -> FieldErrors {
    warnings(unread_on_service(annotations))
}

/// A warning for each annotation of a template that nothing reads.
pub(super) fn without_effect(annotations: &BTreeMap<String, String>) -> FieldErrors {
    warnings(unread_annotations(annotations))
}

fn warnings(sentences: Vec<String>) -> FieldErrors {
    let mut warnings = FieldErrors::none();
    for text in sentences {
        warnings.push(FieldError::new(text, CURRENT_FIELD).as_warning());
    }
    warnings
}

/// A sentence for each annotation of a Service that nothing reads.
pub fn unread_on_service(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let others = annotations.keys().filter(|name| {
        !cloud_run::SERVICE_SCALE.contains(&name.as_str())
            && !callers::OF_SERVICE.contains(&name.as_str())
    });
    unread(others)
}

/// A sentence for each annotation of a template or Revision that nothing reads.
pub fn unread_annotations(annotations: &BTreeMap<String, String>) -> Vec<String> {
    unread(annotations.keys())
}

fn unread<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.filter_map(|name| Some(no_effect(name, why(name)?))).collect()
}

fn no_effect(name: &str, why: &str) -> String {
    format!("the annotation {name} has no effect here: {why}")
}

/// Why nothing reads an annotation. None for one that acts, and for those of other programs.
fn why(name: &str) -> Option<&'static str> {
    if let Some(rest) = name.strip_prefix(keys::CLOUD_RUN_PREFIX) {
        let known = CLOUD_RUN.iter().find(|(key, _)| *key == rest);
        return Some(known.map_or("Rouse does not know it", |(_, why)| why));
    }
    if name.starts_with(SIDECAR_PREFIX) {
        return Some(NO_SIDECAR);
    }
    if let Some((_, why)) = KNATIVE.iter().find(|(key, _)| *key == name) {
        return Some(why);
    }
    if callers::OF_SERVICE.contains(&name) {
        return Some(CALLERS);
    }
    let scaling = name.starts_with(keys::AUTOSCALING_PREFIX)
        && !keyed::AUTOSCALING.iter().any(|key| key.is(name));
    let ours = name.starts_with(keys::OWN_PREFIX) && name != keys::QUEUE_LIMIT;
    (scaling || ours).then_some("no annotation is called so")
}

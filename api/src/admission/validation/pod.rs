//! The pod of a Revision: the fields that it may set, and its containers and volumes together.
//!
//! Upstream: `pkg/apis/serving/k8s_validation.go`, `fieldmask.go`.

use std::collections::BTreeSet;

use rouse_k8s::form;
use serde_json::Value;

use super::fields::is_set;
use super::{container, security, volume};
use crate::admission::json::Look;
use crate::config::ApiConfig;
use crate::config::features::{MULTI_CONTAINER, POD_SPEC_INIT_CONTAINERS, REFUSED};
use crate::terms::field_error::{CURRENT_FIELD, FieldError, FieldErrors};

/// Fields of a Revision's spec that may always be set and are checked elsewhere.
const FIELDS: [&str; 11] = [
    "containerConcurrency",
    "timeoutSeconds",
    "responseStartTimeoutSeconds",
    "idleTimeoutSeconds",
    "serviceAccountName",
    "containers",
    "initContainers",
    "volumes",
    "enableServiceLinks",
    "imagePullSecrets",
    "securityContext",
];

/// Fields that Knative admits by a feature.
const BY_FEATURE: [(&str, &str); 14] = [
    ("affinity", "kubernetes.podspec-affinity"),
    ("dnsConfig", "kubernetes.podspec-dnsconfig"),
    ("dnsPolicy", "kubernetes.podspec-dnspolicy"),
    ("hostAliases", "kubernetes.podspec-hostaliases"),
    ("hostIPC", "kubernetes.podspec-hostipc"),
    ("hostNetwork", "kubernetes.podspec-hostnetwork"),
    ("hostPID", "kubernetes.podspec-hostpid"),
    ("nodeSelector", "kubernetes.podspec-nodeselector"),
    ("priorityClassName", "kubernetes.podspec-priorityclassname"),
    ("runtimeClassName", "kubernetes.podspec-runtimeclassname"),
    ("schedulerName", "kubernetes.podspec-schedulername"),
    ("shareProcessNamespace", "kubernetes.podspec-shareprocessnamespace"),
    ("tolerations", "kubernetes.podspec-tolerations"),
    ("topologySpreadConstraints", "kubernetes.podspec-topologyspreadconstraints"),
];

/// The pod part of a Revision's spec.
pub(super) fn spec(spec: &Value, config: &ApiConfig) -> FieldErrors {
    let mut errors = fields(spec, config);
    errors.within("securityContext", security::of_pod(spec, config));

    let containers = spec.list("containers");
    let inits = spec.list("initContainers");
    let mounted: BTreeSet<&str> = containers
        .iter()
        .chain(inits)
        .flat_map(|container| container.list("volumeMounts"))
        .map(|mount| mount.text("name"))
        .collect();
    errors.within("volumes", volume::list(spec.list("volumes"), &mounted, config));

    if !inits.is_empty() && !config.features.is_enabled(POD_SPEC_INIT_CONTAINERS) {
        let found = inits.len();
        let message = format!(
            "pod spec support for init-containers is off, but found {found} init containers"
        );
        errors.push(FieldError::new(message, CURRENT_FIELD));
    } else {
        for (index, container) in inits.iter().enumerate() {
            let found = container::init(container, spec.list("volumes"), config);
            errors.within_index("initContainers", index, found);
        }
    }
    errors.extend(unique_names(inits.iter().chain(containers)));

    errors.within("containers[*]", container::port_count(containers));
    match containers {
        [] => errors.push(FieldError::missing("containers")),
        [only] => {
            let found = container::serving(only, spec.list("volumes"), config);
            errors.within_index("containers", 0, found);
        }
        several => errors.extend(many(several, spec.list("volumes"), config)),
    }
    let account = spec.text("serviceAccountName");
    if is_googles(account) {
        let message = "a service account of Google Cloud has no effect here";
        errors.push(FieldError::new(message, "serviceAccountName").as_warning());
    } else if !account.is_empty() {
        for problem in form::dns_1123_subdomain(account) {
            let error = FieldError::invalid(account, "serviceAccountName");
            errors.push(error.with_details(problem));
        }
    }
    errors
}

/// Whether a service account is one of Google Cloud, as Cloud Run's manifests name it, by its e-mail address.
#[must_use]
pub fn is_googles(service_account: &str) -> bool {
    let address = service_account.strip_suffix(".gserviceaccount.com");
    address.is_some_and(|address| {
        address.split_once('@').is_some_and(|(name, at)| !name.is_empty() && !at.is_empty())
    })
}

/// No two containers may have one name.
fn unique_names<'a>(containers: impl Iterator<Item = &'a Value>) -> FieldErrors {
    let (mut seen, mut errors) = (BTreeSet::new(), FieldErrors::none());
    for name in containers.map(|container| container.text("name")).filter(|n| !n.is_empty()) {
        if !seen.insert(name) {
            errors.push(FieldError::new(format!("duplicate container name {name:?}"), "name"));
        }
    }
    errors
}

fn many(containers: &[Value], volumes: &[Value], config: &ApiConfig) -> FieldErrors {
    if !config.features.is_enabled(MULTI_CONTAINER) {
        let found = containers.len();
        let message = format!("multi-container is off, but found {found} containers");
        return FieldError::new(message, CURRENT_FIELD).into();
    }
    let mut errors = FieldErrors::none();
    for (index, container) in containers.iter().enumerate() {
        let found = if container.list("ports").is_empty() {
            container::sidecar(container, volumes, config)
        } else {
            container::serving(container, volumes, config)
        };
        errors.within_index("containers", index, found);
    }
    errors
}

fn fields(spec: &Value, config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (name, value) in spec.as_object().into_iter().flatten() {
        let name = name.as_str();
        // An empty object says nothing, whatever it is about: gcloud sends some.
        let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
        if !is_set(value) || is_empty || FIELDS.contains(&name) {
            continue;
        }
        if name == "automountServiceAccountToken" {
            // As Knative: a pod may do without its token, and otherwise has it anyway.
            if value != &Value::Bool(false) {
                errors.push(FieldError::disallowed(name));
            }
            continue;
        }
        let feature = BY_FEATURE.iter().find(|(field, _)| *field == name);
        match feature.filter(|(_, feature)| config.features.permits(feature)) {
            None => errors.push(FieldError::disallowed(name)),
            Some((_, feature)) if REFUSED.contains(feature) => {
                errors.push(FieldError::not_handled(name));
            }
            Some(("affinity", _)) => errors.extend(affinity(value)),
            Some(_) => {}
        }
    }
    errors
}

/// The rules of an affinity that the scheduler does not know.
fn affinity(value: &Value) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for kind in ["podAffinity", "podAntiAffinity"] {
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let rules = value.field(kind).map(|rules| rules.list(required)).unwrap_or_default();
        if !rules.is_empty() {
            errors.push(FieldError::not_handled(&format!("affinity.{kind}.{required}")));
        }
    }
    errors
}

#[cfg(test)]
mod tests;

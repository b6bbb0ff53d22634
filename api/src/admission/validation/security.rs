//! Security contexts.
//!
//! Whether a field is enforced is the runtime's to say: the node warns of those that its own does not.
//!
//! Upstream: `pkg/apis/serving/k8s_validation.go`, `fieldmask.go`.

use serde_json::{Value, json};

use super::fields::mask;
use crate::admission::json::Look;
use crate::config::ApiConfig;
use crate::config::features::{ADD_CAPABILITIES, POD_SPEC_SECURITY_CONTEXT, SECURE_POD_DEFAULTS};
use crate::terms::field_error::{FieldError, FieldErrors};

const ID_MAX: i64 = i32::MAX as i64;

const CONTAINER_FIELDS: [&str; 8] = [
    "allowPrivilegeEscalation",
    "capabilities",
    "privileged",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile",
];

const POD_FIELDS: [&str; 6] =
    ["fsGroup", "runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile", "supplementalGroups"];

/// The security context of a container.
pub(super) fn of_container(container: &Value, config: &ApiConfig) -> FieldErrors {
    let Some(context) = container.field("securityContext") else { return FieldErrors::none() };
    let mut errors = mask(context, &CONTAINER_FIELDS);
    if context.field("privileged") == Some(&json!(true)) {
        errors.push(FieldError::disallowed("privileged"));
    }
    if let Some(capabilities) = context.field("capabilities") {
        let add = capabilities.field("add");
        let may_add = config.features.is_enabled(ADD_CAPABILITIES)
            || config.features.permits(SECURE_POD_DEFAULTS)
                && add == Some(&json!(["NET_BIND_SERVICE"]));
        let allowed: &[&str] = if may_add { &["add", "drop"] } else { &["drop"] };
        errors.within("capabilities", mask(capabilities, allowed));
    }
    for field in ["runAsUser", "runAsGroup"] {
        errors.extend(id(context, field));
    }
    errors
}

/// The security context of the pod, which Knative admits by a feature.
pub(super) fn of_pod(spec: &Value, config: &ApiConfig) -> FieldErrors {
    let Some(context) = spec.field("securityContext") else { return FieldErrors::none() };
    if !config.features.permits(POD_SPEC_SECURITY_CONTEXT) {
        return mask(context, &[]);
    }
    let mut errors = mask(context, &POD_FIELDS);
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        errors.extend(id(context, field));
    }
    for group in context.list("supplementalGroups") {
        if !group.as_i64().is_some_and(|id| (0..=ID_MAX).contains(&id)) {
            errors.push(FieldError::invalid(group, "supplementalGroups"));
        }
    }
    errors
}

fn id(context: &Value, field: &str) -> FieldErrors {
    match context.int(field).filter(|id| !(0..=ID_MAX).contains(id)) {
        Some(id) => FieldError::out_of_bounds(id, 0, ID_MAX, field).into(),
        None => FieldErrors::none(),
    }
}

//! The spec of a Revision, its own or a template's.

use serde_json::Value;

use super::fields::int32;
use super::pod;
use crate::admission::json::Look;
use crate::config::ApiConfig;
use crate::terms::field_error::{FieldError, FieldErrors};

pub(super) fn spec(spec: &Value, config: &ApiConfig) -> FieldErrors {
    let mut errors = pod::spec(spec, config);
    let defaults = &config.defaults;
    if let Some(seconds) = spec.int("timeoutSeconds") {
        let max = defaults.max_revision_timeout_seconds;
        if seconds < 0 || seconds > max {
            errors.push(FieldError::out_of_bounds(seconds, 0, max, "timeoutSeconds"));
        }
    }
    // Knative accepts any; a negative time has no meaning, and the largest would overflow.
    for field in ["responseStartTimeoutSeconds", "idleTimeoutSeconds"] {
        errors.extend(int32(spec, field));
    }
    if let Some(limit) = spec.int("containerConcurrency") {
        let least = i64::from(!defaults.allow_container_concurrency_zero);
        let most = defaults.container_concurrency_max_limit;
        if limit < least || limit > most {
            errors.push(FieldError::out_of_bounds(limit, least, most, "containerConcurrency"));
        }
    }
    errors
}

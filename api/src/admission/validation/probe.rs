//! Probes of the serving container.
//!
//! Upstream: `pkg/apis/serving/k8s_validation.go`.

use serde_json::Value;

use super::fields::{int32, mask, port};
use crate::admission::json::Look;
use crate::terms::field_error::{FieldError, FieldErrors};

const FIELDS: [&str; 10] = [
    "exec",
    "failureThreshold",
    "grpc",
    "httpGet",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "tcpSocket",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
];

/// The numeric fields among them.
const NUMBERS: [&str; 6] = [
    "failureThreshold",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
];

/// Handlers and their fields.
const HANDLERS: [(&str, &[&str]); 4] = [
    ("httpGet", &["host", "path", "scheme", "httpHeaders", "port"]),
    ("tcpSocket", &["host", "port"]),
    ("exec", &["command"]),
    ("grpc", &["port", "service"]),
];

/// A probe of any kind: one handler, on the container's own port.
pub(super) fn any(probe: Option<&Value>, port_name: &str) -> FieldErrors {
    let Some(probe) = probe else { return FieldErrors::none() };
    let mut errors = mask(probe, &FIELDS);
    for field in NUMBERS {
        errors.extend(int32(probe, field));
    }
    let mut handlers = Vec::new();
    for (handler, allowed) in HANDLERS {
        let Some(action) = probe.field(handler) else { continue };
        handlers.push(handler);
        errors.within(handler, mask(action, allowed));
        errors.within(handler, port(action, "port"));
        let named = action.text("port");
        if !named.is_empty() && named != port_name {
            let error = FieldError::invalid(named, &format!("{handler}.port"));
            errors.push(error.with_details("Probe port must match container port"));
        }
    }
    if handlers.is_empty() {
        let all = HANDLERS.map(|(handler, _)| handler);
        errors.push(FieldError::missing_one_of(&all));
    } else if handlers.len() > 1 {
        errors.push(FieldError::multiple_one_of(&handlers));
    }
    errors
}

/// A readiness probe. Without a period it is Knative's eager one, tried until it passes.
pub(super) fn readiness(probe: Option<&Value>, port_name: &str) -> FieldErrors {
    let mut errors = any(probe, port_name);
    let Some(probe) = probe else { return errors };
    let number = |field| probe.int(field).unwrap_or(0);
    let eager = number("periodSeconds") == 0;
    let least = i64::from(!eager);
    for (field, least) in [
        ("periodSeconds", 0),
        ("initialDelaySeconds", 0),
        ("successThreshold", 1),
        ("timeoutSeconds", least),
        ("failureThreshold", least),
    ] {
        let value = number(field);
        if eager && matches!(field, "timeoutSeconds" | "failureThreshold") {
            if value != 0 {
                let message = format!("{field} is disallowed when periodSeconds is zero");
                errors.push(FieldError::new(message, field));
            }
        } else if value < least {
            errors.push(FieldError::out_of_bounds(value, least, i32::MAX, field));
        }
    }
    errors
}

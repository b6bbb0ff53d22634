//! Probes of containers.
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

/// The ports that a container's probes may name.
#[derive(Clone, Copy)]
pub(super) enum Port<'a> {
    /// Any number, or the container's port by its name; none means that port.
    Serving { name: &'a str },
    /// The container declares no port, so a probe must name one.
    Own,
}

/// A probe of any kind: one handler, on one of the container's ports.
pub(super) fn any(probe: Option<&Value>, of_container: Port<'_>) -> FieldErrors {
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
        let wrong = match of_container {
            Port::Serving { name } if named.is_empty() || named == name => None,
            Port::Serving { .. } => Some("Probe port must match container port"),
            Port::Own if handler == "exec" || !named.is_empty() => None,
            Port::Own if action.int("port").unwrap_or(0) != 0 => None,
            Port::Own => Some("Probe port must be specified"),
        };
        if let Some(details) = wrong {
            let value = if named.is_empty() { "0" } else { named };
            let error = FieldError::invalid(value, &format!("{handler}.port"));
            errors.push(error.with_details(details));
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
pub(super) fn readiness(probe: Option<&Value>, of_container: Port<'_>) -> FieldErrors {
    let mut errors = any(probe, of_container);
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

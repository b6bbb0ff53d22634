//! One container: fields, image, ports, environment, resources, mounts.
//!
//! Upstream: `pkg/apis/serving/k8s_validation.go`.

use rouse_k8s::Quantity;
use serde_json::Value;

use super::fields::{self, mask, text_of};
use super::{image, probe, security, volume};
use crate::admission::json::Look;
use crate::config::ApiConfig;
use crate::config::features::{MULTI_CONTAINER_PROBING, POD_SPEC_FIELD_REF};
use crate::terms::field_error::{CURRENT_FIELD, FieldError, FieldErrors};
use crate::terms::keys;

const FIELDS: [&str; 17] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
    "workingDir",
];

const RESERVED_NAME: &str = "queue-proxy";
const RESERVED_ENV: [&str; 4] =
    [keys::ENV_PORT, keys::ENV_SERVICE, keys::ENV_CONFIGURATION, keys::ENV_REVISION];
/// A container beside the serving one may be told a port of its own.
const RESERVED_ENV_BESIDE: [&str; 3] =
    [keys::ENV_SERVICE, keys::ENV_CONFIGURATION, keys::ENV_REVISION];

/// Ports of Knative's queue-proxy, refused so that manifests work on both platforms.
const RESERVED_PORTS: [i64; 6] = [8008, 8012, 8013, 8022, 9090, 9091];

/// At most one port in all, and with several containers at least one.
pub(super) fn port_count(containers: &[Value]) -> FieldErrors {
    let ports: usize = containers.iter().map(|c| c.list("ports").len()).sum();
    if ports == 0 && containers.len() > 1 {
        return FieldError::missing("ports").into();
    }
    if ports > 1 {
        let details = "Only a single port is allowed across all containers";
        return FieldError::new("more than one container port is set", "ports")
            .with_details(details)
            .into();
    }
    FieldErrors::none()
}

/// Checks the serving container.
pub(super) fn serving(container: &Value, volumes: &[Value], config: &ApiConfig) -> FieldErrors {
    if container.as_object().is_none_or(serde_json::Map::is_empty) {
        return FieldError::missing(CURRENT_FIELD).into();
    }
    let port_name = container.list("ports").first().map_or("", |port| port.text("name"));
    let port_name = if port_name.is_empty() { "http" } else { port_name };
    let port = probe::Port::Serving { name: port_name };
    let mut errors = probes(container, port);
    errors.extend(environment(container, &RESERVED_ENV, config));
    errors.extend(any(container, &FIELDS, volumes, config));
    errors
}

/// Checks a container beside the serving one. Its probes are behind a feature.
pub(super) fn sidecar(container: &Value, volumes: &[Value], config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    if config.features.is_enabled(MULTI_CONTAINER_PROBING) {
        errors.extend(probes(container, probe::Port::Own));
    } else {
        for field in ["livenessProbe", "readinessProbe"] {
            if let Some(probe) = container.field(field) {
                errors.within(field, mask(probe, &[]));
            }
        }
        let startup = probe::any(container.field("startupProbe"), probe::Port::Own);
        errors.within("startupProbe", startup);
    }
    errors.extend(environment(container, &RESERVED_ENV_BESIDE, config));
    errors.extend(any(container, &FIELDS, volumes, config));
    errors
}

/// Checks an init container. One that is always restarted runs beside the others, and so may have
/// probes; Knative has none of that kind.
pub(super) fn init(container: &Value, volumes: &[Value], config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let policy = container.text("restartPolicy");
    if policy == "Always" {
        errors.extend(probes(container, probe::Port::Own));
    } else {
        if !policy.is_empty() {
            errors.push(FieldError::invalid(policy, "restartPolicy"));
        }
        for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if container.has(field) {
                errors.push(FieldError::new("field not allowed in an init container", field));
            }
        }
    }
    errors.extend(environment(container, &RESERVED_ENV_BESIDE, config));
    let fields = [&FIELDS[..], &["restartPolicy"]].concat();
    errors.extend(any(container, &fields, volumes, config));
    errors
}

fn probes(container: &Value, port: probe::Port<'_>) -> FieldErrors {
    let mut errors = FieldErrors::none();
    errors.within("livenessProbe", probe::any(container.field("livenessProbe"), port));
    errors.within("readinessProbe", probe::readiness(container.field("readinessProbe"), port));
    errors.within("startupProbe", probe::any(container.field("startupProbe"), port));
    errors
}

/// What holds for every container.
fn any(container: &Value, fields: &[&str], volumes: &[Value], config: &ApiConfig) -> FieldErrors {
    let mut errors = mask(container, fields);
    if container.text("name") == RESERVED_NAME {
        let message = format!("{RESERVED_NAME:?} is a reserved container name");
        errors.push(FieldError::new(message, "name"));
    }
    errors.extend(image_reference(container.text("image")));
    errors.within("ports", ports(container.list("ports")));
    errors.within("resources", resources(container.field("resources")));
    errors.within("securityContext", security::of_container(container, config));
    for (field, known) in [
        ("terminationMessagePolicy", &["", "File", "FallbackToLogsOnError"][..]),
        ("imagePullPolicy", &["", "Always", "IfNotPresent", "Never"][..]),
    ] {
        let value = container.text(field);
        if !known.contains(&value) {
            errors.push(FieldError::invalid(value, field));
        }
    }
    let mounts = volume::mounts(container.list("volumeMounts"), volumes, config);
    errors.within("volumeMounts", mounts);
    errors
}

fn image_reference(text: &str) -> FieldErrors {
    if text.is_empty() {
        return FieldError::missing("image").into();
    }
    if image::is_reference(text) {
        return FieldErrors::none();
    }
    let details = format!("image: {text:?}, error: could not parse reference: {text}");
    FieldError::new("Failed to parse image reference", "image").with_details(details).into()
}

fn environment(container: &Value, reserved: &[&str], config: &ApiConfig) -> FieldErrors {
    let mut errors = FieldErrors::none();
    for (index, variable) in container.list("env").iter().enumerate() {
        let mut found = mask(variable, &["name", "value", "valueFrom"]);
        let name = variable.text("name");
        if name.is_empty() {
            found.push(FieldError::missing("name"));
        } else if reserved.contains(&name) {
            let message = format!("{name:?} is a reserved environment variable");
            found.push(FieldError::new(message, "name"));
        }
        if let Some(source) = variable.field("valueFrom") {
            found.within("valueFrom", value_from(source, config));
        }
        errors.within_index("env", index, found);
    }
    for (index, source) in container.list("envFrom").iter().enumerate() {
        errors.within_index("envFrom", index, env_from(source));
    }
    errors
}

fn value_from(source: &Value, config: &ApiConfig) -> FieldErrors {
    if !config.features.permits(POD_SPEC_FIELD_REF) {
        return mask(source, &["configMapKeyRef", "secretKeyRef"]);
    }
    let known = ["configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"];
    mask(source, &known)
}

fn env_from(source: &Value) -> FieldErrors {
    let mut errors = mask(source, &["prefix", "configMapRef", "secretRef"]);
    for field in ["configMapRef", "secretRef"] {
        if let Some(reference) = source.field(field) {
            errors.within(field, mask(reference, &["name", "optional"]));
        }
    }
    match (source.has("configMapRef"), source.has("secretRef")) {
        (true, true) => {
            errors.push(FieldError::multiple_one_of(&["configMapRef", "secretRef"]));
        }
        (false, false) => {
            errors.push(FieldError::missing_one_of(&["configMapRef", "secretRef"]));
        }
        (true, false) | (false, true) => {}
    }
    errors
}

fn ports(ports: &[Value]) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let Some(port) = ports.first() else { return errors };
    errors.extend(mask(port, &["containerPort", "name", "protocol"]));
    let number = port.int("containerPort").unwrap_or(0);
    if RESERVED_PORTS.contains(&number) {
        let reserved = format!("{number} is a reserved port");
        let details = format!("{reserved}, please use a different value");
        errors.push(FieldError::invalid(reserved, "containerPort").with_details(details));
    }
    errors.extend(fields::port(port, "containerPort"));
    let protocol = port.text("protocol");
    if !matches!(protocol, "" | "TCP") {
        errors.push(FieldError::invalid(protocol, "protocol"));
    }
    let name = port.text("name");
    if !matches!(name, "" | "h2c" | "http1") {
        let details = "Name must be empty, or one of: 'h2c', 'http1'";
        let error = FieldError::new(format!("Port name {name} is not allowed"), CURRENT_FIELD);
        errors.push(error.with_details(details));
    }
    errors
}

fn resources(resources: Option<&Value>) -> FieldErrors {
    let Some(resources) = resources else { return FieldErrors::none() };
    let mut errors = mask(resources, &["limits", "requests"]);
    for kind in ["limits", "requests"] {
        for (name, amount) in resources.pairs(kind) {
            let text = text_of(amount);
            let path = format!("{kind}.{name}");
            match Quantity::parse(&text) {
                Ok(quantity) if quantity.is_negative() => {
                    let details = "must be greater than or equal to 0";
                    errors.push(FieldError::invalid(text, &path).with_details(details));
                }
                Ok(_) => {}
                Err(why) => {
                    errors.push(FieldError::invalid(text, &path).with_details(why.to_string()));
                }
            }
        }
    }
    let quantity = |amount: &Value| Quantity::parse(&text_of(amount)).ok();
    let limits = resources.field("limits");
    for (name, request) in resources.pairs("requests") {
        let limit = limits.and_then(|limits| limits.field(name)).and_then(quantity);
        if let (Some(request), Some(limit)) = (quantity(request), limit)
            && request > limit
        {
            // Kubernetes' words, which refuses the pod.
            let details = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(request, "requests").with_details(details));
        }
    }
    errors
}

#[cfg(test)]
mod tests;

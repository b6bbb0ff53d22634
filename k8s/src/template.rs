//! Readers of pod templates: which container requests are for, and on which ports containers listen.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The environment variable that tells a container its port.
pub const PORT_VARIABLE: &str = "PORT";
/// The port of a container that declares none and has no `PORT`.
pub const DEFAULT_PORT: u16 = 8080;

/// The container that requests are for: the only one, or the first of several that declares a port.
///
/// Upstream: Knative's `RevisionSpec.GetContainer`.
#[must_use]
pub fn serving_container(spec: &PodSpec) -> Option<&Container> {
    match spec.containers.as_slice() {
        [only] => Some(only),
        several => {
            several.iter().find(|container| container.ports.iter().flatten().next().is_some())
        }
    }
}

/// The first port that the container declares, else the one that its variable `PORT` names. An
/// invalid port counts as not declared.
#[must_use]
pub fn declared_port(container: &Container) -> Option<u16> {
    let first = container.ports.iter().flatten().next();
    first.and_then(|port| number(port.container_port)).or_else(|| {
        let variable = container.env.iter().flatten().find(|var| var.name == PORT_VARIABLE)?;
        variable.value.as_deref()?.parse().ok().filter(|port| *port != 0)
    })
}

/// The port that requests are sent to: the declared one, else 8080.
#[must_use]
pub fn serving_port(container: &Container) -> u16 {
    declared_port(container).unwrap_or(DEFAULT_PORT)
}

/// A port that a probe or a handler names, by number or by the name of one of the container's ports.
/// Zero and the empty name stand for the serving port, as Knative writes them.
///
/// Upstream: `k8s.io/kubernetes/pkg/probe.ResolveContainerPort`, where text that names no port may be a
/// number.
#[must_use]
pub fn resolve_port(port: &IntOrString, container: &Container) -> Option<u16> {
    match port {
        IntOrString::Int(0) => Some(serving_port(container)),
        IntOrString::Int(port) => number(*port),
        IntOrString::String(name) if name.is_empty() => Some(serving_port(container)),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            match ports.find(|port| port.name.as_ref() == Some(name)) {
                Some(port) => number(port.container_port),
                None => name.parse().ok().filter(|port| *port != 0),
            }
        }
    }
}

/// A port number that a connection can be made to.
fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn container(value: Value) -> Container {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn requests_are_for_the_only_container_or_the_first_with_a_port() {
        let serving = |containers: Value| {
            let spec: PodSpec =
                serde_json::from_value(json!({ "containers": containers })).unwrap();
            serving_container(&spec).map(|container| container.name.clone())
        };
        let port = json!([{ "containerPort": 80 }]);
        assert_eq!(serving(json!([{ "name": "a" }])).as_deref(), Some("a"));
        let several = json!([{ "name": "a" }, { "name": "b", "ports": port }]);
        assert_eq!(serving(several).as_deref(), Some("b"));
        let two = json!([{ "name": "a", "ports": port }, { "name": "b", "ports": port }]);
        assert_eq!(serving(two).as_deref(), Some("a"));
        assert_eq!(serving(json!([{ "name": "a", "ports": [] }, { "name": "b" }])), None);
        assert_eq!(serving(json!([])), None);
    }

    #[test]
    fn the_serving_port_is_declared_or_told_or_8080() {
        for (fields, declared, serving) in [
            (json!({ "ports": [{ "containerPort": 80 }, { "containerPort": 81 }] }), Some(80), 80),
            (json!({ "env": [{ "name": "PORT", "value": "9000" }] }), Some(9000), 9000),
            (
                json!({ "ports": [{ "containerPort": 80 }], "env": [{ "name": "PORT", "value": "1" }] }),
                Some(80),
                80,
            ),
            (json!({}), None, 8080),
            (json!({ "ports": [{ "containerPort": 0 }] }), None, 8080),
            (json!({ "ports": [{ "containerPort": -1 }] }), None, 8080),
            (json!({ "ports": [{ "containerPort": 65536 }] }), None, 8080),
            (json!({ "env": [{ "name": "PORT", "value": "http" }] }), None, 8080),
            (json!({ "env": [{ "name": "PORT", "value": "0" }] }), None, 8080),
            (json!({ "env": [{ "name": "PORT" }] }), None, 8080),
        ] {
            let mut value = fields.clone();
            value["name"] = "c".into();
            let container = container(value);
            assert_eq!(declared_port(&container), declared, "{fields}");
            assert_eq!(serving_port(&container), serving, "{fields}");
        }
    }

    #[test]
    fn a_probe_names_its_port_by_number_or_name() {
        let container = container(json!({ "name": "c", "ports": [
            { "containerPort": 80, "name": "web" }, { "containerPort": 99999, "name": "bad" },
        ] }));
        let text = |name: &str| IntOrString::String(name.to_owned());
        for (port, want) in [
            (IntOrString::Int(7000), Some(7000)),
            (IntOrString::Int(0), Some(80)),
            (IntOrString::Int(-1), None),
            (IntOrString::Int(i32::MAX), None),
            (text("web"), Some(80)),
            (text(""), Some(80)),
            (text("9000"), Some(9000)),
            (text("bad"), None),
            (text("other"), None),
            (text("0"), None),
        ] {
            assert_eq!(resolve_port(&port, &container), want, "{port:?}");
        }
    }
}

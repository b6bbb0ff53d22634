//! The ports that a container declares, and the one that `PORT` stands for.

use k8s_openapi::api::core::v1::Container;

/// The declared port, or that which the variable `PORT` itself names.
pub(crate) fn serving_port(spec: &Container) -> Option<u16> {
    let declared = spec.ports.iter().flatten().next().map(|port| port.container_port);
    if let Some(port) = declared {
        return u16::try_from(port).ok();
    }
    let var = spec.env.iter().flatten().find(|var| var.name == "PORT")?;
    var.value.as_deref()?.parse().ok()
}

/// The serving port first, then the others.
pub(crate) fn ports(spec: &Container) -> Vec<u16> {
    let declared = spec.ports.iter().flatten();
    let declared = declared.filter_map(|port| u16::try_from(port.container_port).ok());
    let mut ports: Vec<u16> = serving_port(spec).into_iter().collect();
    for port in declared {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

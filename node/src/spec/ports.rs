//! The ports on which a container is to be reached.

use k8s_openapi::api::core::v1::Container;
use rouse_k8s::template::declared_port;

/// The serving port, which `PORT` names, first; then the other declared ports.
pub(crate) fn ports(spec: &Container) -> Vec<u16> {
    let declared = spec.ports.iter().flatten();
    let declared = declared.filter_map(|port| u16::try_from(port.container_port).ok());
    let mut ports: Vec<u16> = declared_port(spec).into_iter().collect();
    for port in declared.filter(|port| *port != 0) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_serving_port_comes_first_and_numbers_that_are_no_ports_stay_out() {
        let of = |declared: &[i64], variable: &str| {
            let declared: Vec<_> = declared.iter().map(|p| json!({"containerPort": p})).collect();
            let env = json!([{"name": "PORT", "value": variable}]);
            let spec = json!({"name": "user", "ports": declared, "env": env});
            ports(&serde_json::from_value(spec).unwrap())
        };
        assert_eq!(of(&[80, 9090, 80], "1"), [80, 9090]);
        assert_eq!(of(&[], "9000"), [9000]);
        assert_eq!(of(&[i64::from(i32::MAX), 0, -1, 65_536, 65_535], "7"), [7, 65_535]);
        assert_eq!(of(&[i64::from(i32::MIN)], "99999999999999999999"), [0_u16; 0]);
    }
}

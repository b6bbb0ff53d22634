//! The ports on which a container is to be reached.

use k8s_openapi::api::core::v1::{Container, Pod};
use rouse_k8s::template::declared_port;

/// The serving port, which `PORT` names, first; then the other declared ports.
///
/// A container beside others serves the ports that it declares. Its variable `PORT`, if it has one, is
/// a setting of its own, which the others know it by.
pub(crate) fn ports(pod: &Pod, spec: &Container) -> Vec<u16> {
    let declared = spec.ports.iter().flatten();
    let declared = declared.filter_map(|port| u16::try_from(port.container_port).ok());
    let beside_others = shares_network(pod) || !is_app(pod, spec);
    if beside_others && spec.ports.as_ref().is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let mut ports: Vec<u16> = declared_port(spec).into_iter().collect();
    for port in declared.filter(|port| *port != 0) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

/// Whether several containers of the pod run beside each other.
pub(crate) fn shares_network(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.containers.len() + sidecars.count() > 1
}

/// The ports of all containers of the pod.
pub(crate) fn of_pod(pod: &Pod) -> Vec<u16> {
    let mut all: Vec<u16> = containers(pod).flat_map(|container| ports(pod, container)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// All containers of the pod.
pub(crate) fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
}

fn is_app(pod: &Pod, container: &Container) -> bool {
    let mut apps = pod.spec.iter().flat_map(|spec| &spec.containers);
    apps.any(|app| app.name == container.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(containers: Value, init: Value) -> Pod {
        let spec = json!({"containers": containers, "initContainers": init});
        serde_json::from_value(json!({ "spec": spec })).unwrap()
    }

    #[test]
    fn the_serving_port_comes_first_and_numbers_that_are_no_ports_stay_out() {
        let of = |declared: &[i64], variable: &str| {
            let declared: Vec<_> = declared.iter().map(|p| json!({"containerPort": p})).collect();
            let env = json!([{"name": "PORT", "value": variable}]);
            let spec = json!([{"name": "user", "ports": declared, "env": env}]);
            let pod = pod(spec, json!([]));
            ports(&pod, containers(&pod).next().unwrap())
        };
        assert_eq!(of(&[80, 9090, 80], "1"), [80, 9090]);
        assert_eq!(of(&[], "9000"), [9000]);
        assert_eq!(of(&[i64::from(i32::MAX), 0, -1, 65_536, 65_535], "7"), [7, 65_535]);
        assert_eq!(of(&[i64::from(i32::MIN)], "99999999999999999999"), [0_u16; 0]);
    }

    #[test]
    fn beside_others_a_port_that_only_a_variable_names_is_the_containers_own_affair() {
        let env = json!([{"name": "PORT", "value": "9000"}]);
        let user = json!({"name": "user", "ports": [{"containerPort": 80}]});
        let sidecar = json!({"name": "side", "env": env});
        let pod = pod(json!([user, sidecar]), json!([{"name": "init", "env": env}]));
        let each: Vec<_> = containers(&pod).map(|container| ports(&pod, container)).collect();
        assert_eq!(each, [vec![], vec![80], vec![]]);
        assert!(shares_network(&pod));
        assert_eq!(of_pod(&pod), [80]);
    }

    #[test]
    fn an_init_container_shares_the_network_if_it_runs_on() {
        let alone = json!([{"name": "user"}]);
        assert!(!shares_network(&pod(alone.clone(), json!([{"name": "init"}]))));
        let on = json!([{"name": "init", "restartPolicy": "Always"}]);
        assert!(shares_network(&pod(alone, on)));
    }
}

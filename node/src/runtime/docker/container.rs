//! A container in the engine's API: the request that creates it, and fields of responses.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, PortBinding, PortMap,
};
use bollard::query_parameters::{CreateContainerOptions, CreateContainerOptionsBuilder};

use crate::runtime::interface::ContainerSpec;
use crate::spec::hosts::hostname;
use crate::spec::{Mount, PodRef, Security, UNCONFINED};

/// Tells apart the containers of platforms that share an engine.
const LABEL_DATA_DIR: &str = "dev.rouse.data-dir";
/// Tells apart the runs of one platform.
const LABEL_INSTANCE: &str = "dev.rouse.instance";
const LABEL_POD: &str = "io.kubernetes.pod.uid";

/// Labels by which a later start, or the guard, finds the containers of this platform.
pub(super) struct Labels {
    pub(super) data_dir: String,
    pub(super) instance: String,
}

impl Labels {
    /// The label of all containers of this data directory.
    pub(super) fn of_data_dir(&self) -> String {
        format!("{LABEL_DATA_DIR}={}", self.data_dir)
    }
}

/// The label of all containers of one pod.
pub(super) fn label_of_pod(pod: &PodRef) -> String {
    format!("{LABEL_POD}={}", pod.uid)
}

/// The label of all containers of one run of a platform.
pub(super) fn label_of_instance(instance: &str) -> String {
    format!("{LABEL_INSTANCE}={instance}")
}

/// As the kubelet named its containers: readable, and unique per start.
pub(super) fn name(spec: &ContainerSpec) -> CreateContainerOptions {
    let pod = &spec.pod;
    let name = format!(
        "rouse_{}_{}_{}_{}_{}",
        spec.container, pod.name, pod.namespace, pod.uid, spec.restarts
    );
    CreateContainerOptionsBuilder::default().name(&name).build()
}

/// The container that holds the network of a pod with these ports.
pub(super) fn sandbox_body(
    pod: &PodRef,
    ports: &[u16],
    whose: &Labels,
    direct: bool,
) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: Some(hostname(&pod.name)),
        exposed_ports: Some(expose(ports)),
        labels: Some(labels(pod, None, whose)),
        host_config: Some(HostConfig {
            port_bindings: (!direct).then(|| publish(ports)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn labels(pod: &PodRef, container: Option<&String>, whose: &Labels) -> HashMap<String, String> {
    let all = [
        (LABEL_DATA_DIR, Some(&whose.data_dir)),
        (LABEL_INSTANCE, Some(&whose.instance)),
        ("io.kubernetes.pod.name", Some(&pod.name)),
        ("io.kubernetes.pod.namespace", Some(&pod.namespace)),
        (LABEL_POD, Some(&pod.uid)),
        ("io.kubernetes.container.name", container),
    ];
    let set = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    set.collect()
}

fn expose(ports: &[u16]) -> Vec<String> {
    ports.iter().map(|port| format!("{port}/tcp")).collect()
}

/// `sandbox` is the container whose network it joins, by its id.
pub(super) fn body(
    spec: &ContainerSpec,
    whose: &Labels,
    direct: bool,
    sandbox: Option<&str>,
) -> ContainerCreateBody {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let network = match sandbox {
        Some(id) => {
            HostConfig { network_mode: Some(format!("container:{id}")), ..HostConfig::default() }
        }
        None => HostConfig {
            port_bindings: (!direct).then(|| publish(&spec.ports)),
            ..HostConfig::default()
        },
    };
    ContainerCreateBody {
        // A sandbox has its own, and those that join it get that.
        hostname: sandbox.is_none().then(|| hostname(&spec.pod.name)),
        image: Some(spec.image.image.docker_tag()),
        entrypoint: some(&spec.command),
        cmd: some(&spec.args),
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: spec.working_dir.clone(),
        user: user(&spec.security, &spec.image.image.user),
        exposed_ports: sandbox.is_none().then(|| expose(&spec.ports)),
        labels: Some(labels(&spec.pod, Some(&spec.container), whose)),
        host_config: Some(HostConfig {
            memory: spec.memory_limit.and_then(|limit| limit.try_into().ok()),
            // Equal to the memory limit, so that the container cannot exceed it by swapping.
            memory_swap: spec.memory_limit.and_then(|limit| limit.try_into().ok()),
            cpu_shares: spec.cpu_request_millis.map(cpu_shares),
            nano_cpus: spec
                .cpu_limit_millis
                .and_then(|millis| i64::try_from(millis).ok()?.checked_mul(1_000_000)),
            binds: Some(spec.mounts.iter().map(bind).collect()),
            readonly_rootfs: Some(spec.security.read_only_root),
            cap_add: Some(spec.security.add_capabilities.clone()),
            cap_drop: Some(spec.security.drop_capabilities.clone()),
            security_opt: some(&options(&spec.security)),
            group_add: some(&groups(&spec.security)),
            ..network
        }),
        ..ContainerCreateBody::default()
    }
}

/// The weight of a container with this request, as the kubelet computes it: 1,024 per CPU, within the kernel's range.
fn cpu_shares(millis: u64) -> i64 {
    let shares = millis.saturating_mul(1024) / 1000;
    i64::try_from(shares.clamp(2, 262_144)).unwrap_or(262_144)
}

fn options(security: &Security) -> Vec<String> {
    let unconfined = security.seccomp.as_deref() == Some(UNCONFINED);
    [(security.no_new_privileges, "no-new-privileges"), (unconfined, "seccomp=unconfined")]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, option)| option.to_owned())
        .collect()
}

fn groups(security: &Security) -> Vec<String> {
    security.supplemental_groups.iter().chain(&security.fs_group).map(i64::to_string).collect()
}

/// Docker accepts a group only together with a user.
fn user(security: &Security, of_image: &str) -> Option<String> {
    match (security.user, security.group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (Some(user), None) => Some(user.to_string()),
        (None, Some(group)) => {
            let user = of_image.split(':').next().filter(|user| !user.is_empty()).unwrap_or("0");
            Some(format!("{user}:{group}"))
        }
        (None, None) => None,
    }
}

fn bind(mount: &Mount) -> String {
    let mode = if mount.read_only { "ro" } else { "rw" };
    format!("{}:{}:{mode}", mount.host_path.display(), mount.path)
}

/// Each port on a free port of loopback.
fn publish(ports: &[u16]) -> PortMap {
    let binding =
        PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some("0".to_owned()) };
    let each = ports.iter().map(|port| (format!("{port}/tcp"), Some(vec![binding.clone()])));
    HashMap::from_iter(each)
}

pub(super) fn ip(inspected: &ContainerInspectResponse) -> Option<IpAddr> {
    let networks = inspected.network_settings.as_ref()?.networks.as_ref()?;
    networks.values().find_map(|network| network.ip_address.as_ref()?.parse().ok())
}

/// The addresses at which Docker published the ports.
pub(super) fn published(inspected: &ContainerInspectResponse) -> BTreeMap<u16, SocketAddr> {
    let ports = inspected.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    ports
        .into_iter()
        .flatten()
        .filter_map(|(port, bindings)| {
            let port = port.strip_suffix("/tcp")?.parse().ok()?;
            let binding = bindings.as_ref()?.first()?;
            let host = binding.host_ip.as_deref().unwrap_or("127.0.0.1").parse().ok()?;
            let host_port = binding.host_port.as_deref()?.parse().ok()?;
            Some((port, SocketAddr::new(host, host_port)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_profiles_are_options_of_the_engine() {
        let security = Security {
            no_new_privileges: true,
            supplemental_groups: vec![4, 5],
            fs_group: Some(3),
            seccomp: Some(UNCONFINED.to_owned()),
            ..Security::default()
        };
        assert_eq!(options(&security), ["no-new-privileges", "seccomp=unconfined"]);
        assert_eq!(groups(&security), ["4", "5", "3"]);
        assert!(options(&Security::default()).is_empty());
    }

    #[test]
    fn a_request_of_cpu_is_a_weight() {
        for (millis, shares) in [(0, 2), (1, 2), (250, 256), (1000, 1024), (u64::MAX, 262_144)] {
            assert_eq!(cpu_shares(millis), shares, "{millis}");
        }
    }
}

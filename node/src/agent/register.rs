//! The Node object and its Lease: the machine's resources, and its heartbeat.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    Namespace, Node, NodeAddress, NodeCondition, NodeStatus, NodeSystemInfo, ObjectReference,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use rouse_kit::{Notice, Part, Shutdown};
use serde_json::json;

use crate::worker::{HOST_IP, Shared};

/// As the kubelet: the lease is good for 40 s and renewed every quarter of that.
const LEASE_SECONDS: i32 = 40;
const RENEW_EVERY: Duration = Duration::from_secs(10);
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// The version that the embedded API reports.
const KUBELET_VERSION: &str = "v1.35.0";

/// A runtime that does not answer within this time counts as down.
const CHECK_MAX: Duration = Duration::from_secs(5);
/// A failed registration is tried again after this.
const REGISTER_AGAIN: Duration = Duration::from_secs(1);

/// Registers the node and keeps it alive until `shutdown`; `part` says whether pods can run here.
pub(super) async fn keep(shared: Arc<Shared>, part: Part, shutdown: Shutdown) {
    // The problem in the Node's condition as last written; None before the first write.
    let mut written = None;
    let mut was_up = true;
    loop {
        let beat = async {
            let problem = check(&shared).await;
            if was_up != problem.is_none() {
                was_up = report_change(&shared, problem.as_deref()).await;
            }
            match beat(&shared, &mut written, &problem).await {
                Ok(()) => {
                    part.set(problem);
                    tokio::time::sleep(RENEW_EVERY).await;
                }
                Err(error) => {
                    // A client may have deleted the Node: it is written again.
                    written = None;
                    part.not_ready(format!("the node cannot be registered: {error}"));
                    tokio::time::sleep(REGISTER_AGAIN).await;
                }
            }
        };
        if shutdown.run_until_cancelled(beat).await.is_none() {
            return;
        }
    }
}

/// The problem that keeps pods from running, if there is one.
async fn check(shared: &Shared) -> Option<String> {
    match tokio::time::timeout(CHECK_MAX, shared.runtime.check()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("the container runtime does not answer within {CHECK_MAX:?}")),
    }
}

/// Reports with an Event that the runtime went up or down; returns whether pods can run.
async fn report_change(shared: &Shared, problem: Option<&str>) -> bool {
    let name = &shared.config.node_name;
    let notice = match problem {
        None => Notice::normal("NodeReady", "the container runtime answers again".to_owned()),
        Some(problem) => Notice::warning("NodeNotReady", problem.to_owned()),
    };
    let about = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(name.clone()),
        // As the kubelet refers to its node.
        uid: Some(name.clone()),
        ..ObjectReference::default()
    };
    if problem.is_some() {
        shared.events.publish(about, notice);
        return false;
    }
    match shared.runtime.end_strays().await {
        Ok(0) => {}
        Ok(ended) => tracing::info!(ended, "ended untracked containers"),
        Err(error) => {
            tracing::warn!(%error, "cannot end untracked containers");
            return false;
        }
    }
    shared.events.publish(about, notice);
    true
}

async fn beat(
    shared: &Shared,
    written: &mut Option<Option<String>>,
    problem: &Option<String>,
) -> Result<(), kube::Error> {
    if written.as_ref() != Some(problem) {
        register(shared, problem.as_deref()).await?;
        *written = Some(problem.clone());
    }
    renew(shared).await
}

async fn register(shared: &Shared, problem: Option<&str>) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(shared.client.clone());
    let name = &shared.config.node_name;
    let node = node(shared, problem);
    if nodes.get_opt(name).await?.is_none() {
        nodes.create(&PostParams::default(), &node).await?;
    }
    let patch = json!({ "status": node.status });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    let namespaces: Api<Namespace> = Api::all(shared.client.clone());
    if namespaces.get_opt(LEASE_NAMESPACE).await?.is_none() {
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(LEASE_NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    Ok(())
}

async fn renew(shared: &Shared) -> Result<(), kube::Error> {
    let leases: Api<Lease> = Api::namespaced(shared.client.clone(), LEASE_NAMESPACE);
    let name = &shared.config.node_name;
    let now = MicroTime(shared.clock.now());
    let patch = json!({"spec": {"renewTime": now}});
    match leases.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => return Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error),
    }
    let lease = Lease {
        metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(name.clone()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    };
    leases.create(&PostParams::default(), &lease).await.map(drop)
}

fn node(shared: &Shared, problem: Option<&str>) -> Node {
    let name = &shared.config.node_name;
    let runtime = &shared.runtime;
    let (os, architecture) = ("linux", architecture());
    let labels = [
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", os),
        ("kubernetes.io/arch", architecture),
        ("node.rouse.dev/runtime", runtime.name()),
    ];
    let resources = resources(runtime.capabilities().pods_max, runtime.needs_images());
    let address = |type_: &str, address: String| NodeAddress { type_: type_.to_owned(), address };
    let version = format!("{}://{}", runtime.name(), runtime.version());
    Node {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: None,
        status: Some(NodeStatus {
            capacity: Some(resources.clone()),
            allocatable: Some(resources),
            conditions: Some(conditions(problem, Time(shared.clock.now()))),
            addresses: Some(vec![
                address("InternalIP", HOST_IP.to_string()),
                address("Hostname", name.clone()),
            ]),
            node_info: Some(NodeSystemInfo {
                architecture: architecture.to_owned(),
                boot_id: line("/proc/sys/kernel/random/boot_id"),
                container_runtime_version: version,
                kernel_version: line("/proc/sys/kernel/osrelease"),
                kubelet_version: KUBELET_VERSION.to_owned(),
                machine_id: line("/etc/machine-id"),
                operating_system: os.to_owned(),
                os_image: os_image(),
                ..NodeSystemInfo::default()
            }),
            ..NodeStatus::default()
        }),
    }
}

fn conditions(problem: Option<&str>, now: Time) -> Vec<NodeCondition> {
    let ready = match problem {
        None => ("Ready", "True", "KubeletReady", "the node agent runs"),
        Some(problem) => ("Ready", "False", "KubeletNotReady", problem),
    };
    let all = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "the node has memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "the node has disk space available"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "the node has process ids available"),
        ready,
    ];
    all.map(|(type_, status, reason, message)| NodeCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
    })
    .into()
}

/// The resources for pods: the machine's own, or a size that never limits the fake runtime.
fn resources(pods_max: u32, real: bool) -> BTreeMap<String, Quantity> {
    let (cpu, memory_kib) = if real {
        let cpu = std::thread::available_parallelism().map_or(1, usize::from);
        (cpu, memory_kib().unwrap_or(1024 * 1024))
    } else {
        (pods_max as usize, u64::from(pods_max) * 1024 * 1024)
    };
    [
        ("cpu", cpu.to_string()),
        ("memory", format!("{memory_kib}Ki")),
        ("ephemeral-storage", "100Gi".to_owned()),
        ("pods", pods_max.to_string()),
    ]
    .map(|(name, amount)| (name.to_owned(), Quantity(amount)))
    .into()
}

fn memory_kib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn os_image() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests;

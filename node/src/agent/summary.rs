//! `/stats/summary` of the kubelet, with the fields that this agent knows.
//!
//! Upstream: k8s.io/kubelet/pkg/apis/stats/v1alpha1 (`Summary`).

use jiff::Timestamp;
use serde::Serialize;

use super::usage::{Sample, Usages};
use crate::worker::LivePod;

#[derive(Serialize)]
pub(super) struct Summary {
    node: NodeStats,
    pods: Vec<PodStats>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeStats {
    node_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodStats {
    pod_ref: PodReference,
    start_time: Timestamp,
    containers: Vec<ContainerStats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<CpuStats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryStats>,
}

#[derive(Serialize)]
struct PodReference {
    name: String,
    namespace: String,
    uid: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStats {
    name: String,
    start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<CpuStats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryStats>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CpuStats {
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_nano_cores: Option<u64>,
    usage_core_nano_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemoryStats {
    time: Timestamp,
    working_set_bytes: u64,
}

impl Summary {
    /// The last samples of the pods that run.
    pub(super) fn of(usages: &Usages) -> Self {
        let node = NodeStats { node_name: usages.node_name().to_owned() };
        let pods = usages.pods().into_iter().map(|pod| stats(pod, |id| usages.last(id)));
        Self { node, pods: pods.collect() }
    }
}

fn stats(pod: LivePod, sample: impl Fn(&str) -> Option<Sample>) -> PodStats {
    let containers = pod.containers.into_iter().filter_map(|container| {
        let running = container.running?;
        let sample = sample(&running.id);
        Some(ContainerStats {
            name: container.name,
            start_time: running.since,
            cpu: sample.map(cpu),
            memory: sample.map(memory),
        })
    });
    let containers: Vec<_> = containers.collect();
    PodStats {
        cpu: containers.iter().filter_map(|container| container.cpu).reduce(sum_cpu),
        memory: containers.iter().filter_map(|container| container.memory).reduce(sum_memory),
        pod_ref: PodReference {
            name: pod.pod.name,
            namespace: pod.pod.namespace,
            uid: pod.pod.uid,
        },
        start_time: pod.since,
        containers,
    }
}

fn cpu(sample: Sample) -> CpuStats {
    CpuStats {
        time: sample.at,
        usage_nano_cores: sample.nano_cores,
        usage_core_nano_seconds: sample.usage.cpu.as_nanos().try_into().unwrap_or(u64::MAX),
    }
}

fn memory(sample: Sample) -> MemoryStats {
    MemoryStats { time: sample.at, working_set_bytes: sample.usage.working_set_bytes }
}

fn sum_cpu(a: CpuStats, b: CpuStats) -> CpuStats {
    let nano_cores = [a.usage_nano_cores, b.usage_nano_cores].into_iter().flatten();
    CpuStats {
        time: a.time.max(b.time),
        usage_nano_cores: nano_cores.reduce(u64::saturating_add),
        usage_core_nano_seconds: a
            .usage_core_nano_seconds
            .saturating_add(b.usage_core_nano_seconds),
    }
}

fn sum_memory(a: MemoryStats, b: MemoryStats) -> MemoryStats {
    MemoryStats {
        time: a.time.max(b.time),
        working_set_bytes: a.working_set_bytes.saturating_add(b.working_set_bytes),
    }
}

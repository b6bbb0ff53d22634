//! The metrics that replicas follow.

use std::time::Duration;

use jiff::Timestamp;

/// CPU and memory of pods, as their nodes measure them.
pub trait PodMetrics: Send + Sync {
    /// The last sample of a pod; None until there is one.
    fn of(&self, namespace: &str, pod: &str) -> Option<PodUsage>;
}

/// One sample of a pod's containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodUsage {
    pub at: Timestamp,
    /// The time over which the CPU was averaged.
    pub window: Duration,
    pub containers: Vec<ContainerUsage>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUsage {
    pub name: String,
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
}

/// A cluster whose nodes measure nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unmeasured;

impl PodMetrics for Unmeasured {
    fn of(&self, _: &str, _: &str) -> Option<PodUsage> {
        None
    }
}

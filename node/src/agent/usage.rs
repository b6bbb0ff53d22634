//! CPU and memory usage of the containers that run, sampled periodically and on request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rouse_kit::Shutdown;
use tokio::time::Instant;

use crate::runtime::Usage;
use crate::worker::{LivePod, Shared};

/// As cAdvisor does by default.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// A sample younger than this is served again.
const FRESH: Duration = Duration::from_millis(900);

/// The last samples of the containers that run, by id.
pub(super) struct Usages {
    shared: Arc<Shared>,
    samples: Mutex<Samples>,
}

#[derive(Default)]
struct Samples {
    taken: Option<Instant>,
    of: BTreeMap<String, Sample>,
}

/// Reads what the pods of this node use; it costs no call to the runtime.
#[derive(Clone)]
pub struct PodUsages(Arc<Usages>);

/// The last sample of a pod's containers that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSample {
    pub at: Timestamp,
    /// The time over which the CPU is averaged.
    pub window: Duration,
    pub containers: Vec<ContainerSample>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSample {
    pub name: String,
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    pub working_set_bytes: u64,
}

impl PodUsages {
    pub(super) fn new(usages: Arc<Usages>) -> Self {
        Self(usages)
    }

    /// None until every container that runs has been measured twice.
    #[must_use]
    pub fn of(&self, namespace: &str, pod: &str) -> Option<PodSample> {
        let found = self.0.shared.live.named(namespace, pod)?;
        let mut at = None;
        let mut containers = Vec::new();
        for container in &found.containers {
            let Some(running) = &container.running else { continue };
            let sample = self.0.last(&running.id)?;
            at = at.max(Some(sample.at));
            containers.push(ContainerSample {
                name: container.name.clone(),
                cpu_millis: sample.nano_cores? / 1_000_000,
                working_set_bytes: sample.usage.working_set_bytes,
            });
        }
        Some(PodSample { at: at?, window: SAMPLE_EVERY, containers })
    }
}

/// One container's usage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    taken: Instant,
    pub(super) usage: Usage,
    /// Nanoseconds of CPU time per second since the sample before, once there is one.
    pub(super) nano_cores: Option<u64>,
}

impl Sample {
    /// Processes that ended take their CPU time out of the sum; the counter must not decrease.
    fn after(before: Option<&Self>, mut usage: Usage, at: Timestamp, taken: Instant) -> Self {
        let Some(before) = before else { return Self { at, taken, usage, nano_cores: None } };
        usage.cpu = usage.cpu.max(before.usage.cpu);
        let elapsed = taken.saturating_duration_since(before.taken);
        let used = usage.cpu.saturating_sub(before.usage.cpu);
        let nano_cores = (used.as_nanos() * 1_000_000_000).checked_div(elapsed.as_nanos());
        let nano_cores = nano_cores.map(|cores| u64::try_from(cores).unwrap_or(u64::MAX));
        Self { at, taken, usage, nano_cores: nano_cores.or(before.nano_cores) }
    }
}

impl Usages {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, samples: Mutex::default() }
    }

    /// The pods that run here.
    pub(super) fn pods(&self) -> Vec<LivePod> {
        self.shared.live.pods()
    }

    pub(super) fn node_name(&self) -> &str {
        &self.shared.config.node_name
    }

    pub(super) fn last(&self, id: &str) -> Option<Sample> {
        self.samples.lock().of.get(id).copied()
    }

    /// Asks the runtime, unless the last sample is fresh.
    pub(super) async fn refresh(&self) {
        let now = Instant::now();
        {
            let mut samples = self.samples.lock();
            if samples.taken.is_some_and(|taken| now < taken + FRESH) {
                return;
            }
            samples.taken = Some(now);
        }
        let pods = self.pods();
        let running = pods.iter().flat_map(|pod| &pod.containers);
        let running = running.filter_map(|container| Some(container.running.as_ref()?.id.clone()));
        let running: Vec<String> = running.collect();
        let used = match running.as_slice() {
            [] => BTreeMap::new(),
            running => self.shared.runtime.usage(running).await,
        };
        let (at, taken) = (self.shared.clock.now(), Instant::now());
        let mut samples = self.samples.lock();
        let before = std::mem::take(&mut samples.of);
        let sample = |(id, usage): (String, Usage)| {
            let sample = Sample::after(before.get(&id), usage, at, taken);
            (id, sample)
        };
        samples.of = used.into_iter().map(sample).collect();
    }
}

/// Samples until `shutdown`.
pub(super) async fn sample(usages: Arc<Usages>, shutdown: Shutdown) {
    let sampling = async {
        loop {
            tokio::time::sleep(SAMPLE_EVERY).await;
            usages.refresh().await;
        }
    };
    // The loop never ends by itself.
    let _over: Option<()> = shutdown.run_until_cancelled(sampling).await;
}

/// Shows pods, containers and their last samples as metrics, under the names of the kubelet and of
/// cAdvisor; only of those that run.
pub(super) struct Collector(Arc<Usages>);

impl Collector {
    pub(super) fn new(usages: Arc<Usages>) -> Self {
        Self(usages)
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("usage of containers")
    }
}

impl collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let pods = self.0.pods();
        let containers = || {
            pods.iter().flat_map(|pod| {
                let running = pod.containers.iter().filter_map(|container| {
                    Some((pod, container.name.as_str(), container.running.as_ref()?))
                });
                running.collect::<Vec<_>>()
            })
        };
        let count = |n: usize| ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX));
        let gauge = count(0).metric_type();
        let running = pods
            .iter()
            .filter(|pod| pod.containers.iter().any(|container| container.running.is_some()));
        let family = encoder.encode_descriptor(
            "kubelet_running_pods",
            "Pods with a container that runs",
            None,
            gauge,
        )?;
        count(running.count()).encode(family)?;
        let mut family = encoder.encode_descriptor(
            "kubelet_running_containers",
            "Containers that run",
            None,
            gauge,
        )?;
        let label = [("container_state", "running")];
        count(containers().count()).encode(family.encode_family(&label)?)?;
        let counter = ConstCounter::new(0.0).metric_type();
        let help = "CPU time of the container since its start, in seconds";
        let mut family =
            encoder.encode_descriptor("container_cpu_usage_seconds", help, None, counter)?;
        for (pod, name, running) in containers() {
            let Some(sample) = self.0.last(&running.id) else { continue };
            let labels = labels(pod, name);
            let cpu = ConstCounter::new(sample.usage.cpu.as_secs_f64());
            cpu.encode(family.encode_family(&labels)?)?;
        }
        let help = "Memory that cannot be taken from the container without harm";
        let mut family =
            encoder.encode_descriptor("container_memory_working_set_bytes", help, None, gauge)?;
        for (pod, name, running) in containers() {
            let Some(sample) = self.0.last(&running.id) else { continue };
            let labels = labels(pod, name);
            let bytes = i64::try_from(sample.usage.working_set_bytes).unwrap_or(i64::MAX);
            ConstGauge::new(bytes).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn labels<'a>(pod: &'a LivePod, container: &'a str) -> [(&'static str, &'a str); 3] {
    [("namespace", &pod.pod.namespace), ("pod", &pod.pod.name), ("container", container)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(cpu_ms: u64) -> Usage {
        Usage { cpu: Duration::from_millis(cpu_ms), working_set_bytes: 7 }
    }

    #[test]
    fn the_rate_is_the_cpu_time_between_two_samples_and_never_less_than_nothing() {
        let (at, began) = (Timestamp::UNIX_EPOCH, Instant::now());
        let second = |n| began + Duration::from_secs(n);
        let first = Sample::after(None, used(500), at, began);
        assert_eq!(first.nano_cores, None);
        let busy = Sample::after(Some(&first), used(2000), at, second(1));
        assert_eq!(busy.nano_cores, Some(1_500_000_000));
        let idle = Sample::after(Some(&busy), used(2000), at, second(2));
        assert_eq!(idle.nano_cores, Some(0));
        // A child that used most of it ended without being waited for.
        let less = Sample::after(Some(&idle), used(100), at, second(3));
        assert_eq!((less.nano_cores, less.usage.cpu.as_millis()), (Some(0), 2000));
        let again = Sample::after(Some(&busy), used(3000), at, second(1));
        assert_eq!(again.nano_cores, busy.nano_cores, "no time between two samples is no rate");
        let huge = Usage { cpu: Duration::MAX, working_set_bytes: u64::MAX };
        assert_eq!(Sample::after(Some(&first), huge, at, second(1)).nano_cores, Some(u64::MAX));
    }
}

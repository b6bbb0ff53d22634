//! The metrics of pods: starts, restarts, probes.
//!
//! | metric | labels |
//! |---|---|
//! | `rouse_node_container_starts_total` | `outcome`: `started`, `image`, `config`, `failed` |
//! | `rouse_node_pod_start_duration_seconds` | `phase`: `pull`, `launch`, `running`, `ready` |
//! | `rouse_node_container_restarts_total` | `reason`, as in `lastState.terminated.reason` |
//! | `prober_probe_total` | `probe_type`, `result`, as the kubelet's |
//!
//! The phases `pull` and `launch` are a container's; `running` and `ready` are a pod's, from the
//! moment in which the agent learns that it is bound, once.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Unit;
use tokio::time::Instant;

use crate::pod::{Effect, Event, Index, PodState, ProbeKind};

type Label = (&'static str, &'static str);

/// Reasons that a container's end can have; any other is `Other`.
const REASONS: [&str; 4] = ["Completed", "Error", "OOMKilled", "StartError"];

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    starts: Family<[Label; 1], Counter>,
    start_seconds: Family<[Label; 1], Histogram>,
    restarts: Family<[Label; 1], Counter>,
    probes: Family<[Label; 2], Counter>,
}

impl Metrics {
    pub(crate) fn register(registry: &rouse_kit::Metrics) -> Self {
        // From a millisecond to more than two minutes.
        let buckets = || Histogram::new(exponential_buckets(0.001, 2.0, 18));
        let metrics = Self {
            starts: Family::default(),
            start_seconds: Family::new_with_constructor(buckets),
            restarts: Family::default(),
            probes: Family::default(),
        };
        registry.register(
            "rouse_node_container_starts",
            "Containers that the node tried to start, by outcome",
            metrics.starts.clone(),
        );
        registry.register_with_unit(
            "rouse_node_pod_start_duration",
            "Time of the phases of a pod's start",
            Unit::Seconds,
            metrics.start_seconds.clone(),
        );
        registry.register(
            "rouse_node_container_restarts",
            "Containers that were started again, by the reason of their end",
            metrics.restarts.clone(),
        );
        registry.register(
            "prober_probe",
            "Probes that counted, by type and result",
            metrics.probes.clone(),
        );
        metrics
    }

    pub(super) fn probed(&self, kind: ProbeKind, passed: bool) {
        let result = if passed { "successful" } else { "failed" };
        self.probes.get_or_create(&[("probe_type", kind.word()), ("result", result)]).inc();
    }

    fn start(&self, outcome: &'static str) {
        self.starts.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn took(&self, phase: &'static str, time: Duration) {
        self.start_seconds.get_or_create(&[("phase", phase)]).observe(time.as_secs_f64());
    }
}

/// Measures one pod.
pub(super) struct Measured {
    metrics: Metrics,
    bound: Instant,
    launched: Vec<Option<Instant>>,
    restarts: Vec<i32>,
    ran: bool,
    was_ready: bool,
}

impl Measured {
    pub(super) fn new(metrics: Metrics, state: &PodState) -> Self {
        Self {
            metrics,
            bound: Instant::now(),
            launched: vec![None; state.containers.len()],
            restarts: state.containers.iter().map(|container| container.restarts).collect(),
            ran: false,
            was_ready: false,
        }
    }

    /// Before the pod takes a step.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Started { container, .. } => {
                self.metrics.start("started");
                let launched = self.launched.get_mut(*container).and_then(Option::take);
                if let Some(launched) = launched {
                    self.metrics.took("launch", launched.elapsed());
                }
            }
            Event::Pulled { took, .. } => self.metrics.took("pull", *took),
            Event::PullFailed { .. } => self.metrics.start("image"),
            Event::Refused { .. } => self.metrics.start("config"),
            Event::StartFailed { .. } => self.metrics.start("failed"),
            Event::Observed(_)
            | Event::Gone
            | Event::Halt
            | Event::Drained
            | Event::Tick
            | Event::Evict { .. }
            | Event::ImageMissing(_)
            | Event::Exited { .. }
            | Event::Probed { .. }
            | Event::PortIgnored { .. } => {}
        }
    }

    pub(super) fn effect(&mut self, effect: &Effect) {
        if let Effect::Launch(at) = effect {
            self.set_launched(*at);
        }
    }

    fn set_launched(&mut self, at: Index) {
        if let Some(launched) = self.launched.get_mut(at) {
            *launched = Some(Instant::now());
        }
    }

    /// After the pod took a step.
    pub(super) fn state(&mut self, state: &PodState) {
        for (known, container) in self.restarts.iter_mut().zip(&state.containers) {
            if container.restarts > *known {
                let last = container.last.as_ref().and_then(|last| last.reason.as_deref());
                let reason = REASONS.into_iter().find(|known| last == Some(*known));
                let reason = reason.unwrap_or("Other");
                self.metrics.restarts.get_or_create(&[("reason", reason)]).inc();
            }
            *known = container.restarts;
        }
        if !self.ran && state.phase() == "Running" {
            self.ran = true;
            self.metrics.took("running", self.bound.elapsed());
        }
        if !self.was_ready && state.is_ready() {
            self.was_ready = true;
            self.metrics.took("ready", self.bound.elapsed());
        }
    }
}

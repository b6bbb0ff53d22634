//! The numbers of work queues, under Knative's names.
//!
//! Upstream: `knative.dev/pkg/observability/metrics/k8s` (workqueue).

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use rouse_kit::Metrics;

/// Upstream's bounds, in seconds.
const BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: &'static str,
}

type Histograms = Family<Name, Histogram, fn() -> Histogram>;

/// The families of all queues.
#[derive(Clone, Debug)]
pub(crate) struct QueueFamilies {
    depth: Family<Name, Gauge>,
    adds: Family<Name, Counter>,
    retries: Family<Name, Counter>,
    waited: Histograms,
    worked: Histograms,
}

/// One queue's numbers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct QueueMetrics {
    depth: Gauge,
    adds: Counter,
    retries: Counter,
    waited: Histogram,
    worked: Histogram,
}

impl QueueFamilies {
    pub(crate) fn registered(metrics: &Metrics) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let families = Self {
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waited: Family::new_with_constructor(histogram),
            worked: Family::new_with_constructor(histogram),
        };
        let Self { depth, adds, retries, waited, worked } = &families;
        metrics.register("kn_workqueue_depth", "Keys that wait for a reconciler", depth.clone());
        metrics.register("kn_workqueue_adds", "Keys that were added to a queue", adds.clone());
        let help = "Keys that are tried again after a failure";
        metrics.register("kn_workqueue_retries", help, retries.clone());
        let seconds = |name, help, family: &Histograms| {
            metrics.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds("kn_workqueue_queue_duration", "How long keys wait in a queue", waited);
        seconds("kn_workqueue_process_duration", "How long a pass over a key takes", worked);
        families
    }

    pub(crate) fn of(&self, name: &'static str) -> QueueMetrics {
        let name = Name { name };
        QueueMetrics {
            depth: self.depth.get_or_create(&name).clone(),
            adds: self.adds.get_or_create(&name).clone(),
            retries: self.retries.get_or_create(&name).clone(),
            waited: self.waited.get_or_create(&name).clone(),
            worked: self.worked.get_or_create(&name).clone(),
        }
    }
}

impl QueueMetrics {
    pub(crate) fn added(&self, depth: usize) {
        self.adds.inc();
        self.set_depth(depth);
    }

    pub(crate) fn taken(&self, depth: usize, waited: Option<Duration>) {
        self.set_depth(depth);
        if let Some(waited) = waited {
            self.waited.observe(waited.as_secs_f64());
        }
    }

    pub(crate) fn worked(&self, time: Duration) {
        self.worked.observe(time.as_secs_f64());
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    fn set_depth(&self, depth: usize) {
        self.depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}

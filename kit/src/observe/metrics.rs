//! The registry of metrics, in OpenMetrics' text form.
//!
//! One per process; each component registers the families it owns. Names are Knative's where it has
//! one (its OpenTelemetry names with dots as underscores), labels come from enums or are the object
//! names that Knative labels by; series of deleted objects are removed.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The metrics of the process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// Adds a family. `name` has neither unit nor `_total`, which the encoding adds.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().register(name, help, metric);
    }

    /// The same with a unit, which becomes part of the name: `_seconds`, `_bytes`.
    pub fn register_with_unit(&self, name: &str, help: &str, unit: Unit, metric: impl Metric) {
        self.registry.lock().register_with_unit(name, help, unit, metric);
    }

    /// Adds a collector, which is read at each scrape: sizes of indexes, sums over threads.
    pub fn collector(&self, collector: Box<dyn Collector>) {
        self.registry.lock().register_collector(collector);
    }

    /// A value that never changes, such as a version: 1 with these labels.
    pub fn info(&self, name: &str, help: &str, labels: Vec<(String, String)>) {
        let family: prometheus_client::metrics::info::Info<Vec<(String, String)>> =
            prometheus_client::metrics::info::Info::new(labels);
        self.registry.lock().register(name, help, family);
    }

    /// All of it as text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry.lock());
        text
    }
}

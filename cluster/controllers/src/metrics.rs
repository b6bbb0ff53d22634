//! Reconciles of the built-in controllers, under controller-runtime's names.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Unit;
use rouse_kit::Metrics;

use super::work::Controller;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    controller: &'static str,
    result: &'static str,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Reconciles {
    total: Family<Result, Counter>,
    errors: Family<Labels, Counter>,
    panics: Family<Labels, Counter>,
    time: Family<Labels, Histogram>,
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Success,
    Error,
    Panic,
}

impl Default for Reconciles {
    fn default() -> Self {
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_05, 4.0, 10));
        Self {
            total: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            time: Family::new_with_constructor(buckets),
        }
    }
}

impl Reconciles {
    pub(super) fn register(&self, metrics: &Metrics) {
        let total = "Reconciles by controller and result";
        metrics.register("controller_runtime_reconcile", total, self.total.clone());
        let errors = "Reconciles that failed";
        metrics.register("controller_runtime_reconcile_errors", errors, self.errors.clone());
        let panics = "Reconciles that panicked";
        metrics.register("controller_runtime_reconcile_panics", panics, self.panics.clone());
        let time = "How long a reconcile takes";
        let name = "controller_runtime_reconcile_time";
        metrics.register_with_unit(name, time, Unit::Seconds, self.time.clone());
    }

    pub(super) fn count(&self, controller: Controller, ended: Ended, took: Duration) {
        let controller = controller.as_str();
        let result = if ended == Ended::Success { "success" } else { "error" };
        self.total.get_or_create(&Result { controller, result }).inc();
        let labels = Labels { controller };
        if ended != Ended::Success {
            self.errors.get_or_create(&labels).inc();
        }
        if ended == Ended::Panic {
            self.panics.get_or_create(&labels).inc();
        }
        self.time.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

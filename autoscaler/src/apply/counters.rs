//! Counters of events as they happen. `expose.rs` reads gauges from the revisions at each scrape.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use rouse_api::podautoscaler::ScaleChange;
use rouse_kit::Metrics;

/// Counters of this autoscaler. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    changes: Family<Change, Counter>,
    reports: Family<Report, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Change {
    /// One of the reasons that `decide::explain` gives.
    reason: String,
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Direction {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Report {
    result: ReportResult,
}

/// The outcome of a load report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum ReportResult {
    Received,
    /// Not newer than one that was received.
    Stale,
}

impl Counters {
    pub(crate) fn registered(metrics: &Metrics) -> Self {
        let counters = Self::default();
        metrics.register(
            "rouse_autoscaler_scale_changes",
            "Changes of a revision's scale that were written, by reason",
            counters.changes.clone(),
        );
        metrics.register(
            "rouse_autoscaler_load_reports",
            "Load reports of activators",
            counters.reports.clone(),
        );
        counters
    }

    pub(crate) fn changed(&self, change: &ScaleChange) {
        let direction = if change.to > change.from { Direction::Up } else { Direction::Down };
        let labels = Change { reason: change.reason.clone(), direction };
        self.changes.get_or_create(&labels).inc();
    }

    pub(crate) fn reported(&self, result: ReportResult) {
        self.reports.get_or_create(&Report { result }).inc();
    }
}

//! Metrics of the revisions that are scaled, under Knative's names, and a page of them.
//!
//! Both are read from the revisions on request, so that nothing is left of a deleted revision.
//! Upstream: `pkg/autoscaler/scaling/metrics.go`, `pkg/reconciler/autoscaling/kpa/metrics.go`.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::{Value, json};

use crate::apply::about::About;
use crate::apply::multiscaler::Multiscaler;
use crate::revision::{Revision, Snapshot};

/// Reads all revisions.
pub(crate) struct Expose(pub(crate) Arc<Multiscaler>);

impl fmt::Debug for Expose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expose").finish_non_exhaustive()
    }
}

type Gauge = (&'static str, &'static str, fn(&Snapshot) -> Option<f64>);

fn count(count: u32) -> Option<f64> {
    Some(f64::from(count))
}

/// The averages of a metric, where the revision is scaled by it.
fn of_metric(snapshot: &Snapshot, metric: &str) -> Option<(f64, f64, f64)> {
    let measured = snapshot.measured.filter(|_| snapshot.metric == metric)?;
    Some((measured.stable, measured.panic, snapshot.target))
}

const GAUGES: [Gauge; 13] = [
    ("kn_revision_pods_desired", "Number of pods the autoscaler wants to allocate", |snapshot| {
        snapshot.desired.and_then(count)
    }),
    (
        "kn_revision_pods_requested",
        "Number of pods the autoscaler requested from Kubernetes",
        |snapshot| snapshot.requested.and_then(count),
    ),
    ("kn_revision_pods_count", "Number of pods that are ready", |snapshot| {
        count(snapshot.pods.ready)
    }),
    ("kn_revision_pods_not_ready_count", "Number of pods that run and are not ready", |snapshot| {
        count(snapshot.pods.not_ready)
    }),
    ("kn_revision_pods_pending_count", "Number of pods that do not run yet", |snapshot| {
        count(snapshot.pods.pending)
    }),
    ("kn_revision_pods_terminating_count", "Number of pods that are being deleted", |snapshot| {
        count(snapshot.pods.terminating)
    }),
    ("kn_revision_panic_mode", "1 while the revision is in panic mode, else 0", |snapshot| {
        count(u32::from(snapshot.panicking))
    }),
    (
        "kn_revision_concurrency_stable",
        "Average of requests in flight over the stable window",
        |snapshot| of_metric(snapshot, "concurrency").map(|(stable, _, _)| stable),
    ),
    (
        "kn_revision_concurrency_panic",
        "Average of requests in flight over the panic window",
        |snapshot| of_metric(snapshot, "concurrency").map(|(_, panic, _)| panic),
    ),
    (
        "kn_revision_concurrency_target",
        "Requests in flight that each pod should have",
        |snapshot| of_metric(snapshot, "concurrency").map(|(_, _, target)| target),
    ),
    (
        "kn_revision_rps_stable",
        "Average of requests per second over the stable window",
        |snapshot| of_metric(snapshot, "rps").map(|(stable, _, _)| stable),
    ),
    ("kn_revision_rps_panic", "Average of requests per second over the panic window", |snapshot| {
        of_metric(snapshot, "rps").map(|(_, panic, _)| panic)
    }),
    ("kn_revision_rps_target", "Requests per second that each pod should have", |snapshot| {
        of_metric(snapshot, "rps").map(|(_, _, target)| target)
    }),
];

impl Collector for Expose {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.0.now().wall;
        let read =
            |about: &About, revision: &Revision| (about.labels.clone(), revision.snapshot(now));
        let revisions = self.0.read(read);
        let kind = ConstGauge::new(0.0).metric_type();
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, snapshot) in revisions.values() {
                if let Some(value) = value(snapshot) {
                    ConstGauge::new(value).encode(family.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Expose {
    /// The debug page: every revision by its key.
    pub(crate) fn page(&self) -> Value {
        let now = self.0.now().wall;
        let page = |_: &About, revision: &Revision| {
            let mut page = json!(revision.snapshot(now));
            page["changes"] = revision.changes().map(|change| json!(change)).collect();
            page
        };
        let pages = self.0.read(page).into_iter();
        Value::Object(pages.map(|(key, page)| (key.to_string(), page)).collect())
    }
}

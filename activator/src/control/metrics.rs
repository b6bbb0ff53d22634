//! Metrics by revision, under Knative's names where it has one.
//!
//! They are read from the registry at each scrape, so the series of a revision end with it.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::admission::revision::{Revision, RevisionStatus};
use crate::control::registry::Registry;
use crate::observe::histogram::Histogram;
use crate::observe::recorder::{PHASES, Retry, Totals};

/// Reads every revision's counters at each scrape.
#[derive(Debug)]
pub(crate) struct RevisionMetrics {
    pub(crate) registry: Arc<Registry>,
}

type Labels = Vec<(&'static str, String)>;

/// One revision at one moment.
struct Seen {
    /// As Knative labels by: namespace, Service, Configuration, Revision.
    labels: Labels,
    status: RevisionStatus,
    totals: Totals,
}

impl Seen {
    /// `None` for a revision without a Revision object.
    fn of(revision: &Revision) -> Option<Self> {
        let settings = revision.settings.load_full()?;
        let labels = vec![
            ("k8s_namespace_name", revision.key.namespace.clone()),
            ("kn_service_name", settings.service.to_string()),
            ("kn_configuration_name", settings.configuration.to_string()),
            ("kn_revision_name", revision.key.name.clone()),
        ];
        Some(Self { labels, status: revision.status(), totals: revision.recorder.totals() })
    }

    fn with<const N: usize>(&self, more: [(&'static str, String); N]) -> Labels {
        self.labels.iter().cloned().chain(more).collect()
    }
}

impl Collector for RevisionMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut revisions = self.registry.all();
        revisions.sort_by(|one, other| one.key.cmp(&other.key));
        let seen: Vec<_> = revisions.iter().filter_map(|revision| Seen::of(revision)).collect();
        gauges(&seen, &mut encoder)?;
        requests(&seen, &mut encoder)?;
        retries(&seen, &mut encoder)?;
        cold_starts(&seen, &mut encoder)
    }
}

fn gauges(seen: &[Seen], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    type Read = fn(&RevisionStatus) -> u32;
    let kind = ConstGauge::new(0_i64).metric_type();
    let all: [(&str, &str, Read); 3] = [
        ("kn_revision_request_concurrency", "Requests in pods or waiting for one", |status| {
            status.in_flight.saturating_add(status.queued)
        }),
        ("kn_revision_request_active", "Requests in pods", |status| status.in_flight),
        ("kn_revision_request_queued", "Requests waiting for a pod", |status| status.queued),
    ];
    for (name, help, read) in all {
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for one in seen {
            let gauge = ConstGauge::new(i64::from(read(&one.status)));
            gauge.encode(family.encode_family(&one.labels)?)?;
        }
    }
    Ok(())
}

fn requests(seen: &[Seen], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let name = "kn_serving_invocation_duration";
    let help = "Duration of requests, waiting included, by status code and protocol";
    let kind = MetricType::Histogram;
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
    for one in seen {
        for (code, protocol, durations) in &one.totals.requests {
            let labels = one.with([
                ("http_response_status_code", code.label()),
                ("network_protocol_version", protocol.label().to_owned()),
            ]);
            encode_histogram(durations, &mut family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn retries(seen: &[Seen], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let kind = ConstCounter::new(0_u64).metric_type();
    let help = "Requests that were sent again, by reason";
    let mut family = encoder.encode_descriptor("rouse_request_retries", help, None, kind)?;
    for one in seen {
        for (retry, count) in Retry::ALL.into_iter().zip(one.totals.retries) {
            let labels = one.with([("reason", retry.label().to_owned())]);
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn cold_starts(seen: &[Seen], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let name = "rouse_cold_start_phase";
    let help = "Duration of each phase of a cold start that a request waited for";
    let kind = MetricType::Histogram;
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
    for one in seen {
        for (phase, durations) in
            PHASES.into_iter().zip(one.totals.phases.iter().flat_map(|p| &**p))
        {
            let labels = one.with([("phase", phase.to_owned())]);
            encode_histogram(durations, &mut family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_histogram(
    histogram: &Histogram,
    encoder: &mut prometheus_client::encoding::MetricEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    let (sum, count) = (histogram.sum(), histogram.count());
    encoder.encode_histogram::<[(&str, &str); 0]>(sum, count, &histogram.buckets(), None)
}

//! Metrics of the gateway itself: its connections, and requests that belong to no revision.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::callers::denial::Denial;
use crate::edge::worker::{Sibling, UNROUTED};
use crate::observe::request_log::RequestLog;
use crate::state::routes::Side;

/// Reads the data threads' counters at each scrape.
#[derive(Debug)]
pub(crate) struct GatewayMetrics {
    pub(crate) siblings: Arc<[Sibling]>,
    pub(crate) log: Arc<RequestLog>,
}

impl GatewayMetrics {
    fn sum(&self, of: impl Fn(&Sibling) -> u64) -> u64 {
        self.siblings.iter().map(of).sum()
    }
}

impl Collector for GatewayMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let open = self.siblings.iter().map(Sibling::connections).sum::<usize>();
        let open = ConstGauge::new(i64::try_from(open).unwrap_or(i64::MAX));
        let (name, help) = ("rouse_gateway_connections", "Connections of clients that are open");
        open.encode(encoder.encode_descriptor(name, help, None, open.metric_type())?)?;

        let kind = ConstCounter::new(0_u64).metric_type();
        let name = "rouse_gateway_connections_accepted";
        let help = "Connections of clients that were accepted";
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (label, side) in [("public", Side::Public), ("local", Side::Local)] {
            let accepted = ConstCounter::new(self.sum(|one| one.totals.accepted_on(side)));
            accepted.encode(family.encode_family(&[("listener", label)])?)?;
        }

        let name = "rouse_gateway_requests_unrouted";
        let help = "Requests that no Route or DomainMapping serves";
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (index, status) in UNROUTED.into_iter().enumerate() {
            let labels = [("http_response_status_code", status.as_str().to_owned())];
            let unrouted = ConstCounter::new(self.sum(|one| one.totals.unrouted_with(index)));
            unrouted.encode(family.encode_family(&labels)?)?;
        }

        let name = "rouse_gateway_requests_denied";
        let help = "Requests of callers who were refused, by the reason that they were told";
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (index, reason) in Denial::REASONS.into_iter().enumerate() {
            let denied = ConstCounter::new(self.sum(|one| one.totals.denied_for(index)));
            denied.encode(family.encode_family(&[("reason", reason)])?)?;
        }

        let name = "rouse_request_log_dropped";
        let help = "Lines of the request log that its writer had no time for";
        let dropped = ConstCounter::new(self.log.dropped());
        dropped.encode(encoder.encode_descriptor(name, help, None, kind)?)
    }
}

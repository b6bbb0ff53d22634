//! Sends load reports: the counts of every revision that has any.
//!
//! What carries load is reported once a second, and at once what cannot wait: a request that found
//! no pod (the wake) and a draining pod that became empty. Reports are cumulative, so whatever is
//! lost or merged on the way distorts nothing.

use std::sync::Arc;
use std::time::Duration;

use rouse_api::load::LoadReport;
use rouse_kit::{Clock, Shutdown};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::admission::report::{Occasion, ReportSignal};
use crate::control::registry::Registry;

/// How often load is reported that woke nobody; Knative's period.
const PERIOD: Duration = Duration::from_secs(1);

/// Sends reports until shutdown or until nobody reads them.
pub(crate) struct Reporter {
    pub(crate) activator: String,
    pub(crate) epoch: u64,
    pub(crate) began: Instant,
    pub(crate) signal: Arc<ReportSignal>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) reports: mpsc::Sender<LoadReport>,
    pub(crate) clock: Clock,
}

impl Reporter {
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sequence = 0;
        loop {
            let occasion = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.signal.notified() => Occasion::Signal,
                _ = tick.tick() => Occasion::Period,
            };
            let now = self.clock.instant();
            let revisions = self.registry.all();
            let revisions: Vec<_> =
                revisions.iter().filter_map(|revision| revision.load(occasion, now)).collect();
            if revisions.is_empty() {
                continue;
            }
            sequence += 1;
            let report = LoadReport {
                activator: self.activator.clone(),
                epoch: self.epoch,
                sequence,
                elapsed: (now - self.began).as_secs_f64(),
                revisions,
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                sent = self.reports.send(report) => if sent.is_err() { return },
            }
        }
    }
}

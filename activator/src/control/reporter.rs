//! Sends load reports: the counts of every revision that has any.
//!
//! Revisions with load are reported once a second. A request that found no pod (the wake) and a
//! draining pod that became empty are reported at once. Reports are cumulative, so a lost or merged
//! one distorts nothing.

use std::sync::Arc;
use std::time::Duration;

use rouse_api::load::LoadReport;
use rouse_kit::{Clock, Shutdown};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::admission::report::{Occasion, ReportSignal};
use crate::control::registry::Registry;

/// How often load is reported; Knative's period.
const PERIOD: Duration = Duration::from_secs(1);

/// Sends reports until shutdown.
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
        let mut last = false;
        while !last {
            let occasion = tokio::select! {
                biased;
                // A last time, for what was used since the report before.
                () = shutdown.cancelled() => {
                    last = true;
                    Occasion::Signal
                }
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
            if last {
                // Without room for it the autoscaler is behind, and may have ended.
                let _ = self.reports.try_send(report);
                return;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                sent = self.reports.send(report) => if sent.is_err() {
                    // The receiver ended; that is not for this task to report.
                    return shutdown.cancelled().await;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::home::{Attempt, Place};
    use crate::state::pod::Pod;
    use rouse_k8s::ObjectKey;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_finds_no_pod_is_reported_at_once_and_others_once_a_second() {
        let signal = Arc::new(ReportSignal::default());
        let registry = Arc::new(Registry::new(Arc::clone(&signal), 1));
        let (reports, mut received) = mpsc::channel(1);
        let clock = Clock::system();
        let reporter = Reporter {
            activator: "activator".to_owned(),
            epoch: 1,
            began: clock.instant(),
            signal,
            registry: Arc::clone(&registry),
            reports,
            clock,
        };
        let shutdown = Shutdown::new();
        let running = tokio::spawn(reporter.run(shutdown.clone()));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let revision = registry.get(ObjectKey::new("default", "hello-00001"));
        let waiting = revision.admit(Attempt::First).expect("there is room");
        let report = received.recv().await.expect("it runs");
        assert_eq!((report.elapsed, report.revisions[0].queued), (0.3, 1));
        drop(waiting);
        revision.place(&Arc::new(Pod::named("p")), Place::Usable);
        let report = received.recv().await.expect("it runs");
        assert_eq!((report.elapsed, report.revisions[0].queued), (1.0, 0));
        let _slot = revision.admit(Attempt::First).expect("a free pod");
        let report = received.recv().await.expect("it runs");
        assert_eq!((report.elapsed, report.revisions[0].in_flight), (2.0, 1));
        shutdown.cancel();
        running.await.expect("no panic");
    }
}

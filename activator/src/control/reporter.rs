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
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::admission::report::{Occasion, ReportSignal};
use crate::control::registry::Registry;

/// How often load is reported; Knative's period.
const PERIOD: Duration = Duration::from_secs(1);
/// How long the end of the activator waits for room for a report: an autoscaler that takes none for so long has ended.
const LAST_SEND: Duration = Duration::from_secs(1);

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
                    Occasion::Period
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
            match self.send(report, &shutdown).await {
                Sent::Yes => {}
                Sent::NoRoom => return,
                // The receiver ended; that is not for this task to report.
                Sent::NoReceiver => return shutdown.cancelled().await,
            }
        }
    }

    /// Waits until there is room; from the shutdown on, not for long. What a report counts is in no other one, so that
    /// one that waits at the shutdown is still sent.
    async fn send(&self, report: LoadReport, shutdown: &Shutdown) -> Sent {
        let mut sending = std::pin::pin!(self.reports.send(report));
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            () = shutdown.cancelled() => match timeout(LAST_SEND, sending).await {
                Ok(sent) => sent,
                Err(_elapsed) => return Sent::NoRoom,
            },
        };
        if sent.is_ok() { Sent::Yes } else { Sent::NoReceiver }
    }
}

/// The outcome of sending a report.
enum Sent {
    Yes,
    NoRoom,
    NoReceiver,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::home::{Attempt, Place};
    use crate::state::pod::Pod;
    use rouse_k8s::ObjectKey;

    /// A reporter, its revisions, and where its reports come out, one at a time.
    fn reporter() -> (Reporter, Arc<Registry>, mpsc::Receiver<LoadReport>) {
        let signal = Arc::new(ReportSignal::default());
        let registry = Arc::new(Registry::new(Arc::clone(&signal), 1));
        let (reports, received) = mpsc::channel(1);
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
        (reporter, registry, received)
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_that_waits_at_the_shutdown_is_sent_and_a_last_one_after_it() {
        let (reporter, registry, mut received) = reporter();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(reporter.run(shutdown.clone()));
        let revision = registry.get(ObjectKey::new("default", "hello-00001"));
        revision.place(&Arc::new(Pod::named("p")), Place::Usable);
        let _first = revision.admit(Attempt::First).expect("a free pod");
        // The first report takes the room, the second waits for it.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let _second = revision.admit(Attempt::First).expect("a free pod");
        shutdown.cancel();
        let mut told = Vec::new();
        while let Some(report) = received.recv().await {
            let revision = &report.revisions[0];
            told.push((report.sequence, revision.in_flight, revision.in_flight_seconds));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!((told[1].0, told[1].1), (2, 1));
        // What the first request used since is in it, although nothing changed.
        assert_eq!((told[2].0, told[2].1), (3, 2));
        assert!((told[2].2 - 2.5).abs() < 1e-3, "{told:?}");
        running.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_does_not_wait_long_for_an_autoscaler_that_takes_nothing() {
        let (reporter, registry, _received) = reporter();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(reporter.run(shutdown.clone()));
        let revision = registry.get(ObjectKey::new("default", "hello-00001"));
        let _waiting = revision.admit(Attempt::First).expect("there is room");
        tokio::time::sleep(Duration::from_millis(2500)).await;
        shutdown.cancel();
        let before = Instant::now();
        running.await.expect("no panic");
        assert_eq!(before.elapsed(), LAST_SEND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_finds_no_pod_is_reported_at_once_and_others_once_a_second() {
        let (reporter, registry, mut received) = reporter();
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

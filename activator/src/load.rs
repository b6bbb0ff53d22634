//! The load signal: counts per revision, and the reports made of them.
//!
//! Counts change under the home's lock, by its guards only. The reporter sends what carries load
//! once a second, and at once what cannot wait: a request that found no pod (the wake) and a
//! draining pod that became empty. Reports are cumulative, so whatever is lost or merged on the
//! way distorts nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rouse_api::load::{LoadReport, RevisionLoad};
use rouse_kit::{Clock, Shutdown};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::control::Registry;
use crate::revision::Revision;

/// How often load is reported that woke nobody; Knative's period.
const PERIOD: Duration = Duration::from_secs(1);

/// What one revision has to do now and had to do so far.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) in_flight: u32,
    pub(crate) queued: u32,
    pub(crate) arrivals: u64,
    /// Nanoseconds times requests, up to `since`.
    area: u128,
    since: Instant,
    /// Something changed since the last report.
    changed: bool,
}

impl Counts {
    pub(crate) fn new(now: Instant) -> Self {
        Self { in_flight: 0, queued: 0, arrivals: 0, area: 0, since: now, changed: false }
    }

    pub(crate) fn arrived(&mut self) {
        self.arrivals += 1;
        self.changed = true;
    }

    /// Straight into a pod.
    pub(crate) fn entered(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight += 1;
    }

    pub(crate) fn left(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight -= 1;
    }

    pub(crate) fn queued(&mut self, now: Instant) {
        self.advance(now);
        self.queued += 1;
    }

    /// Out of the line and into a pod.
    pub(crate) fn promoted(&mut self, now: Instant) {
        self.advance(now);
        self.queued -= 1;
        self.in_flight += 1;
    }

    pub(crate) fn gave_up(&mut self, now: Instant) {
        self.advance(now);
        self.queued -= 1;
    }

    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// The integral of requests over time, up to `now`.
    pub(crate) fn seconds(&mut self, now: Instant) -> f64 {
        self.advance(now);
        self.area as f64 / 1e9
    }

    /// Threads read the clock before they take the lock, so `now` may be a little behind.
    fn advance(&mut self, now: Instant) {
        if now > self.since {
            let held = u128::from(self.in_flight) + u128::from(self.queued);
            self.area += (now - self.since).as_nanos() * held;
            self.since = now;
        }
        self.changed = true;
    }
}

/// Rung when a revision's load has to be reported at once.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Each revision at most once: its own flag says whether it is here.
    urgent: Mutex<Vec<Arc<Revision>>>,
    rung: Notify,
}

impl Bell {
    pub(crate) fn ring(&self, revision: &Arc<Revision>) {
        if revision.mark_urgent() {
            self.urgent.lock().push(Arc::clone(revision));
            self.rung.notify_one();
        }
    }

    fn take(&self) -> Vec<Arc<Revision>> {
        std::mem::take(&mut *self.urgent.lock())
    }
}

/// Sends reports until shutdown or until nobody reads them.
pub(crate) struct Reporter {
    pub(crate) activator: String,
    pub(crate) epoch: u64,
    pub(crate) began: Instant,
    pub(crate) bell: Arc<Bell>,
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
            let revisions = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.bell.rung.notified() => self.urgent(),
                _ = tick.tick() => self.periodic(),
            };
            if revisions.is_empty() {
                continue;
            }
            sequence += 1;
            let report = LoadReport {
                activator: self.activator.clone(),
                epoch: self.epoch,
                sequence,
                elapsed: (self.clock.instant() - self.began).as_secs_f64(),
                revisions,
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                sent = self.reports.send(report) => if sent.is_err() { return },
            }
        }
    }

    fn urgent(&self) -> Vec<RevisionLoad> {
        let now = self.clock.instant();
        self.bell
            .take()
            .iter()
            .map(|revision| {
                revision.clear_urgent();
                revision.load(now).1
            })
            .collect()
    }

    fn periodic(&self) -> Vec<RevisionLoad> {
        let now = self.clock.instant();
        self.registry
            .all()
            .iter()
            .map(|revision| revision.load(now))
            .filter_map(|(worth, load)| worth.then_some(load))
            .collect()
    }
}

/// One revision's part of a report, and whether it is worth sending once a second.
pub(crate) fn measure<W>(
    key: &crate::revision::RevisionKey,
    home: &mut crate::home::Home<W>,
    now: Instant,
) -> (bool, RevisionLoad) {
    let draining: BTreeMap<_, _> =
        home.draining().iter().map(|pod| (pod.name.clone(), pod.in_flight())).collect();
    let counts = &mut home.counts;
    let busy = counts.in_flight + counts.queued > 0 || !draining.is_empty();
    let worth = busy || counts.changed;
    let load = RevisionLoad {
        namespace: key.namespace.clone(),
        revision: key.name.clone(),
        in_flight_seconds: counts.seconds(now),
        arrivals: counts.arrivals,
        in_flight: counts.in_flight,
        queued: counts.queued,
        draining,
    };
    counts.changed = false;
    (worth, load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integral_counts_waiting_and_being_served_alike() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut counts = Counts::new(start);
        counts.arrived();
        counts.queued(at(1000));
        counts.arrived();
        counts.entered(at(1500));
        counts.promoted(at(2000));
        counts.left(at(2250));
        // 0.5 s of one, 0.75 s of two, 0.75 s of one.
        assert!((counts.seconds(at(3000)) - 2.75).abs() < 1e-9);
        assert_eq!((counts.in_flight, counts.queued, counts.arrivals), (1, 0, 2));
    }

    #[test]
    fn a_clock_read_before_the_lock_takes_nothing_away() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut counts = Counts::new(start);
        counts.entered(at(0));
        counts.entered(at(100));
        counts.left(at(90));
        assert!((counts.seconds(at(100)) - 0.1).abs() < 1e-9);
    }
}

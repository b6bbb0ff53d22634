//! The load signal: counts per revision, and the reports made of them.
//!
//! Counts change under the home's lock, by its guards only. The reporter sends what carries load
//! once a second, and at once what cannot wait: a request that found no pod (the wake) and a
//! draining pod that became empty. Reports are cumulative, so whatever is lost or merged on the
//! way distorts nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rouse_api::load::{LoadReport, RevisionLoad};
use rouse_kit::{Clock, Shutdown};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::control::Registry;
use crate::home::Home;
use crate::pods::Pod;
use crate::revision::RevisionKey;

/// How often load is reported that woke nobody; Knative's period.
const PERIOD: Duration = Duration::from_secs(1);

/// Busy pods that a report names; 40 bytes each, once a second. With more, it names none: then as
/// good as every pod is busy, and to know which helps nobody.
const BUSY_MAX: usize = 200;

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

/// Rung when some revision's load has to be reported at once. Rings that come while a report is
/// being made or sent are one ring.
#[derive(Debug, Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

/// Why a report is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The bell: whatever changed. All of it, for a reader takes a revision that a report does not
    /// name as unchanged.
    Bell,
    /// The period is over: whatever changed or carries load.
    Period,
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
            let occasion = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.bell.0.notified() => Occasion::Bell,
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

/// One revision's part of a report, if this occasion wants it.
pub(crate) fn measure<W>(
    key: &RevisionKey,
    home: &mut Home<W>,
    occasion: Occasion,
    now: Instant,
) -> Option<RevisionLoad> {
    let counts = &home.counts;
    let loaded = counts.in_flight + counts.queued > 0 || !home.draining().is_empty();
    let due = counts.changed || (loaded && occasion == Occasion::Period);
    if !due {
        return None;
    }
    let named = |pod: &Arc<Pod>| (pod.name.clone(), pod.in_flight());
    let draining: BTreeMap<_, _> = home.draining().iter().map(named).collect();
    let is_busy = |pod: &&Arc<Pod>| pod.in_flight() > 0;
    let few = home.usable_pods().iter().filter(is_busy).nth(BUSY_MAX).is_none();
    let busy = few.then(|| home.usable_pods().iter().filter(is_busy).map(named).collect());
    let counts = &mut home.counts;
    let in_flight_seconds = counts.seconds(now);
    counts.changed = false;
    Some(RevisionLoad {
        namespace: key.namespace.clone(),
        revision: key.name.clone(),
        in_flight_seconds,
        arrivals: counts.arrivals,
        in_flight: counts.in_flight,
        queued: counts.queued,
        busy,
        draining,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{Attempt, Place};

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

    #[test]
    fn a_report_names_what_changed_and_once_a_period_what_carries_load() {
        let now = Instant::now();
        let key = RevisionKey::new("default", "hello-00001");
        let mut home: Home<()> = Home::new(now);
        let told = |home: &mut Home<()>, occasion| {
            measure(&key, home, occasion, now).map(|load| (load.in_flight, load.queued))
        };
        assert_eq!(told(&mut home, Occasion::Period), None);
        home.admit(|| (), Attempt::First, now);
        assert_eq!(told(&mut home, Occasion::Bell), Some((0, 1)));
        assert_eq!(told(&mut home, Occasion::Bell), None);
        assert_eq!(told(&mut home, Occasion::Period), Some((0, 1)));
        home.dismiss(now);
        assert_eq!(told(&mut home, Occasion::Period), Some((0, 0)));
        assert_eq!(told(&mut home, Occasion::Period), None);
    }

    #[test]
    fn a_report_says_which_pods_are_busy_and_what_is_left_in_those_that_drain() {
        let now = Instant::now();
        let key = RevisionKey::new("default", "hello-00001");
        let mut home: Home<()> = Home::new(now);
        let pods = ["a", "b", "c"].map(|name| Arc::new(Pod::named(name)));
        for pod in &pods {
            home.place(pod, Place::Usable);
        }
        for _ in 0..5 {
            home.admit(|| (), Attempt::First, now);
        }
        home.place(&pods[0], Place::Draining);
        home.release(&pods[2], now);
        let load = measure(&key, &mut home, Occasion::Bell, now).unwrap();
        assert_eq!(load.busy, Some(BTreeMap::from([("b".to_owned(), 2)])));
        assert_eq!(load.draining, BTreeMap::from([("a".to_owned(), 2)]));
    }

    #[test]
    fn a_report_that_cannot_name_all_busy_pods_names_none() {
        let now = Instant::now();
        let key = RevisionKey::new("default", "hello-00001");
        let mut home: Home<()> = Home::new(now);
        let mut named = |pods: usize| {
            for pod in 0..pods {
                home.place(&Arc::new(Pod::named(&format!("p{pod}"))), Place::Usable);
                home.admit(|| (), Attempt::First, now);
            }
            let load = measure(&key, &mut home, Occasion::Bell, now).unwrap();
            load.busy.map(|busy| busy.len())
        };
        assert_eq!(named(BUSY_MAX), Some(BUSY_MAX));
        assert_eq!(named(1), None);
    }
}

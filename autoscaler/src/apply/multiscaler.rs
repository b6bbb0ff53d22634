//! All revisions that are scaled, each with a task of its own.
//!
//! ```text
//! report -> collector -> revision -> wake -> task: step, marks, scale, status
//! ```
//!
//! A wake is this path and nothing else: no timer and no queue lie between the report and the write
//! of the scale.
//!
//! A revision whose scaling panics is set aside for a while; then [`Multiscaler::to_restart`]
//! returns its key, and the reconciler makes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rouse_api::load::LoadReport;
use rouse_k8s::{Backoff, ObjectKey};
use rouse_kit::panics::Panicked;
use rouse_kit::{Component, Moment, Notice};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::apply::about::About;
use crate::apply::counters::{Counters, ReportResult};
use crate::apply::unit::Unit;
use crate::apply::write::Scales;
use crate::load::Collector;
use crate::revision::{News, Revision};
use crate::usage::{Addition, Ledgers};

/// First and longest pause of a revision whose scaling panicked; it doubles in between.
const RESTART: Backoff = Backoff::doubling(Duration::from_millis(100), Duration::from_secs(30));
/// After this long without a panic, the pause begins with the first again.
const BACKOFF_RESET: Duration = Duration::from_secs(60);

/// All revisions.
pub(crate) struct Multiscaler {
    units: Mutex<BTreeMap<ObjectKey, Arc<Unit>>>,
    collector: Mutex<Collector>,
    panics: Mutex<BTreeMap<ObjectKey, Panics>>,
    /// Revisions whose pause after a panic is over.
    restart: Mutex<BTreeSet<ObjectKey>>,
    restarted: Notify,
    scales: Arc<dyn Scales>,
    counters: Counters,
    ledgers: Mutex<Ledgers>,
    component: Component,
}

/// The panics of one revision's scaling.
struct Panics {
    backoff: Backoff,
    last: Instant,
}

impl Multiscaler {
    pub(crate) fn new(scales: Arc<dyn Scales>, component: Component) -> Arc<Self> {
        Arc::new(Self {
            units: Mutex::default(),
            collector: Mutex::default(),
            panics: Mutex::default(),
            restart: Mutex::default(),
            restarted: Notify::new(),
            scales,
            counters: Counters::registered(&component.metrics),
            ledgers: Mutex::default(),
            component,
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.component.clock.moment()
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<Unit>> {
        self.units.lock().get(key).cloned()
    }

    /// Reads every revision.
    pub(crate) fn read<T>(&self, read: impl Fn(&About, &Revision) -> T) -> BTreeMap<ObjectKey, T> {
        let units = self.units.lock().clone();
        let read = |unit: &Unit| unit.read(|revision| read(&unit.about, revision));
        units.into_iter().map(|(key, unit)| (key, read(&unit))).collect()
    }

    /// Starts to scale a revision.
    pub(crate) fn add(self: &Arc<Self>, revision: Revision, about: About) {
        let key = revision.key.clone();
        let unit = Unit::new(revision, about, self.component.shutdown.child_token());
        let unit = Arc::new(unit);
        if let Some(before) = self.units.lock().insert(key.clone(), Arc::clone(&unit)) {
            before.shutdown.cancel();
        }
        // Only after the unit is in the map: a report between the two must not be missed.
        let present = self.collector.lock().present(&key);
        unit.update(|revision| {
            for (activator, present) in present {
                revision.set_present(activator, present);
            }
        });
        let all = Arc::clone(self);
        self.component.tasks.detached("revision", async move {
            let clock = all.component.clock;
            if let Err(panicked) = unit.run(all.scales.as_ref(), &all.counters, clock).await {
                all.set_aside(key, unit.about.clone(), &panicked);
            }
        });
    }

    /// Stops to scale a revision.
    pub(crate) fn remove(&self, key: &ObjectKey) {
        let removed = self.units.lock().remove(key);
        if let Some(unit) = removed {
            unit.shutdown.cancel();
            self.account_for(key, &unit);
            self.collector.lock().forget(key);
        }
        self.panics.lock().remove(key);
        self.restart.lock().remove(key);
    }

    /// Takes a report of an activator.
    pub(crate) fn report(&self, report: LoadReport) {
        let now = self.now();
        let activator = report.activator.clone();
        let Some(samples) = self.collector.lock().take(report) else {
            self.counters.reported(ReportResult::Stale);
            return;
        };
        self.counters.reported(ReportResult::Received);
        for (key, sample) in samples {
            let served = Addition { served: sample.served, ..Addition::default() };
            self.ledgers.lock().add(&key, &served, now.wall);
            let Some(unit) = self.get(&key) else { continue };
            unit.update_if(|revision| match revision.feed(&activator, sample, now) {
                News::Nothing => false,
                News::Look | News::Decide => true,
            });
        }
    }

    /// Brings the ledgers up to date with how long pods existed.
    pub(crate) fn account(&self) {
        let units = self.units.lock().clone();
        for (key, unit) in units {
            self.account_for(&key, &unit);
        }
    }

    fn account_for(&self, key: &ObjectKey, unit: &Unit) {
        let now = self.now();
        let taken = unit.take(|revision| (revision.take_existed(now), revision.instance()));
        let Some((existed, instance)) = taken else { return };
        let of = Some((unit.about.service().to_owned(), instance));
        let addition = Addition { existed, of, ..Addition::default() };
        self.ledgers.lock().add(key, &addition, now.wall);
    }

    /// Reads or changes the ledgers.
    pub(crate) fn ledgers<T>(&self, of: impl FnOnce(&mut Ledgers) -> T) -> T {
        of(&mut self.ledgers.lock())
    }

    /// Publishes an Event for a revision whose scaling panicked, and has it made anew after a
    /// pause.
    pub(crate) fn set_aside(self: &Arc<Self>, key: ObjectKey, about: About, panicked: &Panicked) {
        let pause = self.pause(&key);
        let why = panicked.message();
        tracing::error!(revision = %key, why, ?pause, "the scaling of a revision panicked");
        let message =
            format!("scaling this revision failed by an internal error, and starts over: {why}");
        self.scales.tell(about.reference, Notice::warning("InternalError", message));
        let (all, shutdown) = (Arc::clone(self), self.component.shutdown.clone());
        self.component.tasks.detached("restart", async move {
            tokio::select! {
                biased; // shutdown comes first
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {
                    all.restart.lock().insert(key);
                    all.restarted.notify_one();
                }
            }
        });
    }

    fn pause(&self, key: &ObjectKey) -> Duration {
        let now = Instant::now();
        let mut panics = self.panics.lock();
        let panics = panics.entry(key.clone()).or_insert(Panics { backoff: RESTART, last: now });
        if now.duration_since(panics.last) >= BACKOFF_RESET {
            panics.backoff.reset();
        }
        panics.last = now;
        panics.backoff.next_pause()
    }

    /// The next revision to be made anew.
    pub(crate) async fn to_restart(&self) -> ObjectKey {
        loop {
            if let Some(key) = self.restart.lock().pop_first() {
                return key;
            }
            self.restarted.notified().await;
        }
    }
}

#[cfg(test)]
mod tests;

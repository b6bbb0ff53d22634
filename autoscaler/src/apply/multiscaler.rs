//! One task for each revision: it ticks, and news poke it.
//!
//! ```text
//! report -> collector -> revision -> poke -> task: step, marks, scale, status
//! ```
//!
//! A wake is this path and nothing else: no timer and no queue lie between the report and the write
//! of the scale.
//!
//! Invariant: a revision's lock is held while it is looked at, never while something is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use rouse_api::load::LoadReport;
use rouse_api::podautoscaler::ScaleChange;
use rouse_kit::{Clock, Shutdown};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::apply::write::{Scales, WriteError};
use crate::decide::drain::DrainPlan;
use crate::load::{Collector, RevisionKey};
use crate::revision::{News, Revision};

/// How long after a write that failed the next attempt comes.
const RETRY: Duration = Duration::from_millis(100);
/// A missing object does not come back in a moment.
const RETRY_MISSING: Duration = Duration::from_secs(2);

/// A revision with its task.
#[derive(Debug)]
pub(crate) struct Unit {
    revision: Mutex<Revision>,
    poke: Notify,
    shutdown: Shutdown,
}

impl Unit {
    /// Changes what is known, and has it looked at.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Revision)) {
        change(&mut self.revision.lock());
        self.poke.notify_one();
    }

    fn read<T>(&self, look: impl FnOnce(&Revision) -> T) -> T {
        look(&self.revision.lock())
    }
}

/// All revisions.
pub(crate) struct Multiscaler {
    units: Mutex<BTreeMap<RevisionKey, Arc<Unit>>>,
    collector: Mutex<Collector>,
    tasks: Mutex<JoinSet<()>>,
    scales: Arc<dyn Scales>,
    clock: Clock,
    shutdown: Shutdown,
}

impl Multiscaler {
    pub(crate) fn new(scales: Arc<dyn Scales>, clock: Clock, shutdown: Shutdown) -> Self {
        Self {
            units: Mutex::default(),
            collector: Mutex::default(),
            tasks: Mutex::default(),
            scales,
            clock,
            shutdown,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn get(&self, key: &RevisionKey) -> Option<Arc<Unit>> {
        self.units.lock().get(key).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<RevisionKey> {
        self.units.lock().keys().cloned().collect()
    }

    /// Starts to scale a revision.
    pub(crate) fn add(&self, revision: Revision) {
        let key = revision.key.clone();
        let shutdown = self.shutdown.child_token();
        let unit = Arc::new(Unit { revision: Mutex::new(revision), poke: Notify::new(), shutdown });
        if let Some(before) = self.units.lock().insert(key, Arc::clone(&unit)) {
            before.shutdown.cancel();
        }
        // After it can be found: a report between the two must not be missed by both.
        let present = self.collector.lock().present(&unit.read(|revision| revision.key.clone()));
        unit.update(|revision| {
            for (activator, present) in present {
                revision.set_present(activator, present);
            }
        });
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(run(unit, Arc::clone(&self.scales), self.clock));
    }

    /// Stops to scale a revision.
    pub(crate) fn remove(&self, key: &RevisionKey) {
        if let Some(unit) = self.units.lock().remove(key) {
            unit.shutdown.cancel();
            self.collector.lock().forget(key);
        }
    }

    /// Takes a report of an activator.
    pub(crate) fn report(&self, report: LoadReport) {
        let now = self.clock.now();
        let activator = report.activator.clone();
        let samples = self.collector.lock().take(report);
        for (key, sample) in samples {
            let Some(unit) = self.get(&key) else { continue };
            let news = unit.revision.lock().feed(&activator, sample, now);
            match news {
                News::Nothing => {}
                News::Look | News::Decide => unit.poke.notify_one(),
            }
        }
    }

    /// All changes of scale still known of a revision, newest first.
    pub(crate) fn history(&self, key: &RevisionKey) -> Vec<ScaleChange> {
        self.get(key).map(|unit| unit.read(Revision::history)).unwrap_or_default()
    }
}

async fn run(unit: Arc<Unit>, scales: Arc<dyn Scales>, clock: Clock) {
    loop {
        let pause = match act(&unit, scales.as_ref(), clock).await {
            Ok(again) => again.map(|at| until(at, clock.now())),
            Err(error) => {
                tracing::debug!(%error, "a scale was not written");
                Some(if error.is_missing() { RETRY_MISSING } else { RETRY })
            }
        };
        let pause = pause.unwrap_or(crate::revision::TICK);
        tokio::select! {
            biased; // the end, then news, then time
            () = unit.shutdown.cancelled() => return,
            () = unit.poke.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    at.duration_since(now).try_into().unwrap_or_default()
}

/// One step, written down. The scale comes before the status: somebody may wait for it.
async fn act(
    unit: &Unit,
    scales: &dyn Scales,
    clock: Clock,
) -> Result<Option<Timestamp>, WriteError> {
    let (step, key, deployment) = {
        let mut revision = unit.revision.lock();
        let step = revision.step(clock.now());
        (step, revision.key.clone(), revision.deployment.clone())
    };
    mark(unit, scales, &key, &step.drain, clock.now()).await?;
    if let (Some(to), Some(change)) = (step.drain.scale, step.change) {
        scales.scale(&key, &deployment, to).await?;
        tracing::info!(
            revision = %key, from = change.from, to, decided = %change.time.0,
            reason = change.reason, why = change.message, "scaled"
        );
        unit.revision.lock().scaled(to, change);
    }
    let status = unit.revision.lock().status(clock.now());
    if let Some(status) = status {
        scales.report(&key, &status).await?;
        unit.revision.lock().reported(status);
    }
    Ok(step.again)
}

async fn mark(
    unit: &Unit,
    scales: &dyn Scales,
    key: &RevisionKey,
    plan: &DrainPlan,
    now: Timestamp,
) -> Result<(), WriteError> {
    let DrainPlan { mark, unmark, first, scale: _, recheck: _ } = plan;
    let writes =
        mark.iter().map(|pod| (pod, Some(now))).chain(unmark.iter().map(|pod| (pod, None))).map(
            |(pod, marked)| async move {
                match scales.mark(key, pod, marked).await {
                    Ok(()) => {}
                    // Gone by itself: the watch says so.
                    Err(error) if error.is_missing() => {}
                    Err(error) => return Err(error),
                }
                unit.revision.lock().marked(pod, marked);
                Ok(())
            },
        );
    join_all(writes).await.into_iter().collect::<Result<(), WriteError>>()?;
    for pod in first {
        scales
            .put_first(key, pod)
            .await
            .or_else(|error| if error.is_missing() { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

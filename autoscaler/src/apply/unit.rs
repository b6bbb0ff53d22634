//! A revision with its task, which steps at every tick and after changes, and writes each step to
//! the cluster.
//!
//! Invariant: the lock is held while a revision is read or changed, never during a write to the
//! cluster.
//!
//! A panic in any of this ends this revision's task alone, with an error, and a new unit is made from
//! the observed objects.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use rouse_k8s::ObjectKey;
use rouse_kit::panics::{Panicked, catch, catch_async};
use rouse_kit::{Clock, Shutdown};
use tokio::sync::Notify;

use crate::apply::about::About;
use crate::apply::counters::Counters;
use crate::apply::write::{Scales, WriteError};
use crate::decide::drain::DrainPlan;
use crate::revision::{Revision, TICK};

/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// The pause if an object is missing: it does not come back in a moment.
const RETRY_MISSING: Duration = Duration::from_secs(2);

/// A revision with its task.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) about: About,
    revision: Mutex<Revision>,
    wake: Notify,
    /// Set once a change of the revision panicked: its state may be half changed.
    panicked: Mutex<Option<Panicked>>,
    pub(crate) shutdown: Shutdown,
}

impl Unit {
    pub(crate) fn new(revision: Revision, about: About, shutdown: Shutdown) -> Self {
        Self {
            about,
            revision: Mutex::new(revision),
            wake: Notify::new(),
            panicked: Mutex::default(),
            shutdown,
        }
    }

    /// Changes the revision and wakes its task.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Revision)) {
        self.change(change);
        self.wake.notify_one();
    }

    /// Changes the revision; wakes its task if `change` returns true.
    pub(crate) fn update_if(&self, change: impl FnOnce(&mut Revision) -> bool) {
        if self.change(change).unwrap_or(true) {
            self.wake.notify_one();
        }
    }

    /// Takes something out of the revision, without a step after it; `None` if a change panicked.
    pub(crate) fn take<T>(&self, take: impl FnOnce(&mut Revision) -> T) -> Option<T> {
        self.change(take)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Revision) -> T) -> T {
        look(&self.revision.lock())
    }

    /// `None` if a change panicked, this one or an earlier one.
    fn change<T>(&self, change: impl FnOnce(&mut Revision) -> T) -> Option<T> {
        if self.panicked.lock().is_some() {
            return None;
        }
        match catch(|| change(&mut self.revision.lock())) {
            Ok(value) => Some(value),
            Err(panicked) => {
                *self.panicked.lock() = Some(panicked);
                None
            }
        }
    }

    /// Scales the revision until its end. An error is a panic, after which this unit cannot be
    /// used.
    pub(crate) async fn run(
        &self,
        scales: &dyn Scales,
        counters: &Counters,
        clock: Clock,
    ) -> Result<(), Panicked> {
        catch_async(self.follow(scales, counters, clock)).await?
    }

    async fn follow(
        &self,
        scales: &dyn Scales,
        counters: &Counters,
        clock: Clock,
    ) -> Result<(), Panicked> {
        let mut failure = None;
        loop {
            if let Some(panicked) = self.panicked.lock().clone() {
                return Err(panicked);
            }
            let acted = self.act(scales, counters, clock).await;
            let pause = match &acted {
                Ok(again) => again.unwrap_or(TICK),
                Err(error) if error.is_missing() => RETRY_MISSING,
                Err(_) => RETRY,
            };
            failure = log_failure(failure, acted.err());
            tokio::select! {
                biased; // shutdown, then changes, then time
                () = self.shutdown.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One step, written to the cluster. The scale comes before the status: a request may wait for it.
    async fn act(
        &self,
        scales: &dyn Scales,
        counters: &Counters,
        clock: Clock,
    ) -> Result<Option<Duration>, WriteError> {
        let (step, key, deployment) = {
            let mut revision = self.revision.lock();
            let step = revision.step(clock.moment());
            (step, revision.key.clone(), revision.deployment.clone())
        };
        self.mark(scales, &key, &step.drain, clock.now()).await?;
        if let (Some(to), Some(change)) = (step.drain.scale, step.change) {
            scales.scale(&key, &deployment, to).await?;
            tracing::info!(
                revision = %key, from = change.from, to, decided = %change.time.0,
                reason = change.reason, why = change.message, "scaled"
            );
            counters.changed(&change);
            self.revision.lock().scaled(to, change);
        }
        let status = self.revision.lock().status(clock.now());
        if let Some(status) = status {
            scales.report(&key, &status).await?;
            self.revision.lock().reported(status);
        }
        Ok(step.again)
    }

    async fn mark(
        &self,
        scales: &dyn Scales,
        key: &ObjectKey,
        plan: &DrainPlan,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let DrainPlan { mark, unmark, first, scale: _, recheck: _ } = plan;
        let marks = mark.iter().map(|pod| (pod, Some(now)));
        let writes = marks.chain(unmark.iter().map(|pod| (pod, None)));
        let writes = writes.map(|(pod, marked)| async move {
            ignore_missing(scales.mark(key, pod, marked).await)?;
            self.revision.lock().marked(pod, marked);
            Ok(())
        });
        join_all(writes).await.into_iter().collect::<Result<(), WriteError>>()?;
        for pod in first {
            ignore_missing(scales.put_first(key, pod).await)?;
        }
        Ok(())
    }
}

/// A pod that is gone needs no mark; the watch reports its deletion.
fn ignore_missing(result: Result<(), WriteError>) -> Result<(), WriteError> {
    match result {
        Err(error) if error.is_missing() => Ok(()),
        other => other,
    }
}

/// Logs when writes begin to fail, fail in another way, and succeed again. Returns the present
/// failure.
fn log_failure(before: Option<String>, error: Option<WriteError>) -> Option<String> {
    match (before, error) {
        (None, None) => None,
        (Some(before), None) => {
            tracing::warn!(before, "the autoscaler's writes succeed again");
            None
        }
        (before, Some(error)) => {
            let now = error.described();
            if before.as_ref() != Some(&now) {
                // While a revision is being deleted, its objects may be gone already.
                if error.is_missing() {
                    tracing::debug!(error = now, "a scale was not written");
                } else {
                    tracing::warn!(error = now, "a scale was not written; it is tried again");
                }
            }
            Some(now)
        }
    }
}

//! One revision as the data threads share it: its settings, its home, and waiting for a slot.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use parking_lot::Mutex;
use rouse_api::load::RevisionLoad;
use rouse_k8s::ObjectKey;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::admission::error::Refused;
use crate::admission::home::{Admission, Attempt, Home, Place};
use crate::admission::queue::Ticket;
use crate::admission::report::{self, Occasion, ReportSignal};
use crate::observe::recorder::Recorder;
use crate::state::pod::Pod;
use crate::state::settings::Settings;

/// The sender of a slot to a request that waits.
type Waiter = oneshot::Sender<Slot>;

/// A revision; the registry keeps one per key while anything holds it.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) key: ObjectKey,
    /// Its name as a header value.
    pub(crate) header: HeaderValue,
    /// Absent while no Revision object is known.
    pub(crate) settings: ArcSwapOption<Settings>,
    /// Why its pods do not run, according to their statuses.
    pub(crate) trouble: ArcSwapOption<String>,
    /// The counters of its requests.
    pub(crate) recorder: Recorder,
    home: Mutex<Home<Waiter>>,
    signal: Arc<ReportSignal>,
}

/// A request's right to be in a pod, given back on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) revision: Arc<Revision>,
    pub(crate) pod: Arc<Pod>,
    since: Instant,
}

impl Slot {
    /// Which revision and which pod, for errors.
    pub(crate) fn names(&self) -> (ObjectKey, String) {
        (self.revision.key.clone(), self.pod.name.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.revision.release(&self.pod, self.since);
    }
}

/// The result of asking for a slot.
pub(crate) enum Admitted<'a> {
    Slot(Slot),
    Queued(Queued<'a>),
}

/// A place in the queue, given up on drop. Becomes the slot when its turn comes.
pub(crate) struct Queued<'a> {
    revision: &'a Revision,
    ticket: Ticket,
    granted: oneshot::Receiver<Slot>,
}

impl Future for Queued<'_> {
    type Output = Result<Slot, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The sender is dropped only when the whole queue is dismissed.
        let revision = self.revision;
        let dismissed = |_| Refused::RevisionMissing { revision: revision.key.clone() };
        Pin::new(&mut self.granted).poll(cx).map_err(dismissed)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.revision.home.lock().abandon(self.ticket, Instant::now());
    }
}

impl Revision {
    /// `threads` is how many data threads there are.
    pub(crate) fn new(key: ObjectKey, signal: Arc<ReportSignal>, threads: usize) -> Self {
        let header = HeaderValue::from_str(&key.name)
            .unwrap_or_else(|_| HeaderValue::from_static("unprintable"));
        Self {
            key,
            header,
            settings: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            recorder: Recorder::new(threads),
            home: Mutex::new(Home::new(Instant::now())),
            signal,
        }
    }

    /// A slot in a pod, or a place in the queue.
    pub(crate) fn admit(self: &Arc<Self>, attempt: Attempt) -> Result<Admitted<'_>, Refused> {
        let mut granted = None;
        let waiter = || {
            let (waiter, receiver) = oneshot::channel();
            granted = Some(receiver);
            waiter
        };
        let now = Instant::now();
        let admission = self.home.lock().admit(waiter, attempt, now);
        match admission {
            Admission::Go(pod) => Ok(Admitted::Slot(self.slot(pod, now))),
            Admission::Full { limit } => {
                Err(Refused::QueueFull { revision: self.key.clone(), limit })
            }
            Admission::Wait { ticket, urgent } => {
                if urgent {
                    self.signal.notify();
                }
                let granted = granted.expect("a queued request was given a receiver");
                Ok(Admitted::Queued(Queued { revision: self, ticket, granted }))
            }
        }
    }

    /// The error for a request that timed out in the queue.
    pub(crate) fn not_in_time(&self, waited: Duration) -> Refused {
        let revision = self.key.clone();
        if self.home.lock().usable() > 0 {
            return Refused::NoSlotInTime { revision, waited };
        }
        let cause = self.trouble.load_full().map(|text| String::clone(&text)).or_else(|| {
            self.settings.load().as_ref().and_then(|settings| settings.trouble.clone())
        });
        Refused::NotReadyInTime { revision, waited, cause }
    }

    fn slot(self: &Arc<Self>, pod: Arc<Pod>, now: Instant) -> Slot {
        Slot { revision: Arc::clone(self), pod, since: now }
    }

    fn release(self: &Arc<Self>, pod: &Pod, since: Instant) {
        let now = Instant::now();
        let mut home = self.home.lock();
        let emptied = home.release(pod, since, now);
        let grants = self.grants(&mut home, now);
        drop(home);
        hand_over(grants);
        if emptied {
            self.signal.notify();
        }
    }

    /// Takes from the queue all waiters for which there is a slot, each with its slot.
    fn grants(self: &Arc<Self>, home: &mut Home<Waiter>, now: Instant) -> Grants {
        let mut grants = Grants::new();
        while let Some((waiter, pod)) = home.next_grant(now) {
            grants.push((waiter, self.slot(pod, now)));
        }
        grants
    }

    /// Sets a pod's place and grants slots to the waiters that can go now.
    pub(crate) fn place(self: &Arc<Self>, pod: &Arc<Pod>, place: Place) {
        let now = Instant::now();
        let mut home = self.home.lock();
        home.place(pod, place);
        let grants = self.grants(&mut home, now);
        // The autoscaler needs a report at once of a pod newly marked as draining, and of waiters
        // that have no pod left.
        let urgent = place == Place::Draining || (home.usable() == 0 && home.waiting() > 0);
        drop(home);
        hand_over(grants);
        if urgent {
            self.signal.notify();
        }
    }

    /// Takes an unreachable pod out of the rotation; false if it was out already.
    pub(crate) fn suspect(&self, pod: &Pod) -> bool {
        self.home.lock().suspect(pod)
    }

    pub(crate) fn configure(self: &Arc<Self>, settings: Arc<Settings>) {
        let now = Instant::now();
        let mut home = self.home.lock();
        home.configure(settings.concurrency, settings.queue_limit);
        self.settings.store(Some(settings));
        let grants = self.grants(&mut home, now);
        drop(home);
        hand_over(grants);
    }

    /// The Revision object is gone: waiting requests are refused.
    pub(crate) fn forget(&self) {
        self.settings.store(None);
        let dismissed = self.home.lock().dismiss(Instant::now());
        drop(dismissed);
    }

    /// Its part of a load report, if one is due.
    pub(crate) fn load(&self, occasion: Occasion, now: Instant) -> Option<RevisionLoad> {
        let mut load = report::measure(&self.key, &mut self.home.lock(), occasion, now)?;
        load.served.sent_bytes = self.recorder.sent();
        Some(load)
    }

    pub(crate) fn status(&self) -> RevisionStatus {
        let home = self.home.lock();
        RevisionStatus {
            in_flight: home.counts.in_flight,
            queued: home.counts.queued,
            arrivals: home.counts.arrivals,
            pods: home.usable(),
        }
    }
}

/// A revision's counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevisionStatus {
    /// Requests in pods.
    pub(crate) in_flight: u32,
    /// Requests waiting for one.
    pub(crate) queued: u32,
    /// Requests that came so far.
    pub(crate) arrivals: u64,
    /// Pods in the rotation.
    pub(crate) pods: usize,
}

type Grants = SmallVec<[(Waiter, Slot); 2]>;

/// Sends the slots, outside the lock: a waiter that is gone gives its slot back, which takes the
/// lock.
fn hand_over(grants: Grants) {
    for (waiter, slot) in grants {
        drop(waiter.send(slot));
    }
}

#[cfg(test)]
mod tests;

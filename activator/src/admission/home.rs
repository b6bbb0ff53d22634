//! One revision's slots and its queue: which request goes to which pod, and which waits.
//!
//! The home of a revision holds all of its counts, so that `containerConcurrency` is exact. It is
//! a plain structure under one short lock, asked from every data thread; nothing here waits, wakes
//! or looks at a clock. With several activators, others will ask this one over the network: that
//! request is `admit`, and its answer the grant.
//!
//! Invariant: while somebody waits, no pod has a free slot once `next_grant` answered `None`.

use std::sync::Arc;

use tokio::time::Instant;

use crate::admission::balance;
use crate::admission::counts::Counts;
use crate::admission::queue::{Queue, Ticket};
use crate::state::pod::Pod;
use crate::state::settings::QUEUE_LIMIT;

/// Slots, queue and counts. `W` is whoever waits.
#[derive(Debug)]
pub(crate) struct Home<W> {
    /// `containerConcurrency`; 0 is no limit.
    limit: u32,
    queue_limit: usize,
    usable: Vec<Arc<Pod>>,
    draining: Vec<Arc<Pod>>,
    turn: usize,
    queue: Queue<W>,
    pub(crate) counts: Counts,
}

/// Where a request stands after it asked.
#[derive(Debug)]
pub(crate) enum Admission {
    Go(Arc<Pod>),
    /// `urgent` if the autoscaler has to hear of it at once.
    Wait {
        ticket: Ticket,
        urgent: bool,
    },
    Full {
        limit: usize,
    },
}

/// Whether a request asks for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    /// It had a pod that turned out to be unreachable; it goes to the head of the queue.
    Again,
}

impl<W> Home<W> {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            limit: 0,
            queue_limit: QUEUE_LIMIT,
            usable: Vec::new(),
            draining: Vec::new(),
            turn: 0,
            queue: Queue::new(),
            counts: Counts::new(now),
        }
    }

    pub(crate) fn configure(&mut self, limit: u32, queue_limit: usize) {
        self.limit = limit;
        self.queue_limit = queue_limit;
    }

    /// A slot, a place in the queue, or neither.
    pub(crate) fn admit(
        &mut self,
        waiter: impl FnOnce() -> W,
        attempt: Attempt,
        now: Instant,
    ) -> Admission {
        if attempt == Attempt::First {
            self.counts.arrived();
        }
        if self.queue.is_empty()
            && let Some(pod) = self.choose()
        {
            self.counts.entered(now);
            return Admission::Go(pod);
        }
        let ticket = match attempt {
            Attempt::First if self.queue.len() >= self.queue_limit => {
                return Admission::Full { limit: self.queue_limit };
            }
            Attempt::First => self.queue.push_back(waiter()),
            Attempt::Again => self.queue.push_front(waiter()),
        };
        self.counts.queued(now);
        // The first who finds no pod is the wake. Of a crowd behind it the autoscaler hears in
        // doubling steps, so that it learns how large it is and is not called for each.
        let news = attempt == Attempt::Again || self.queue.len().is_power_of_two();
        Admission::Wait { ticket, urgent: self.usable.is_empty() && news }
    }

    /// The next in the queue and its pod, if there is a free slot. To be asked until it says no.
    pub(crate) fn next_grant(&mut self, now: Instant) -> Option<(W, Arc<Pod>)> {
        if self.queue.is_empty() {
            return None;
        }
        let pod = self.choose()?;
        let waiter = self.queue.pop().expect("the queue was not empty under the same lock");
        self.counts.promoted(now);
        Some((waiter, pod))
    }

    /// Gives up a place in the queue; false if it has been granted a slot already.
    pub(crate) fn abandon(&mut self, ticket: Ticket, now: Instant) -> bool {
        let waited = self.queue.remove(ticket).is_some();
        if waited {
            self.counts.gave_up(now);
        }
        waited
    }

    /// A request left `pod`; whether that emptied a pod that drains.
    pub(crate) fn release(&mut self, pod: &Pod, now: Instant) -> bool {
        let left = pod.leave();
        self.counts.left(now);
        left == 0 && self.draining.iter().any(|other| other.id == pod.id)
    }

    /// Turns everybody away who waits.
    pub(crate) fn dismiss(&mut self, now: Instant) -> Vec<W> {
        let waiters = self.queue.drain();
        for _ in &waiters {
            self.counts.gave_up(now);
        }
        waiters
    }

    /// Whether `pod` gets new requests, only finishes what it has, or is not known any more.
    pub(crate) fn place(&mut self, pod: &Arc<Pod>, place: Place) {
        self.usable.retain(|other| other.id != pod.id);
        self.draining.retain(|other| other.id != pod.id);
        match place {
            Place::Usable => self.usable.push(Arc::clone(pod)),
            Place::Draining => self.draining.push(Arc::clone(pod)),
            Place::Out => {}
        }
        self.counts.touch();
    }

    /// Takes a pod out that could not be reached; false if it was out already.
    pub(crate) fn suspect(&mut self, pod: &Pod) -> bool {
        let before = self.usable.len();
        self.usable.retain(|other| other.id != pod.id);
        self.usable.len() != before
    }

    pub(crate) fn usable(&self) -> usize {
        self.usable.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn usable_pods(&self) -> &[Arc<Pod>] {
        &self.usable
    }

    pub(crate) fn draining(&self) -> &[Arc<Pod>] {
        &self.draining
    }

    fn choose(&mut self) -> Option<Arc<Pod>> {
        let loads = self.usable.iter().map(|pod| pod.in_flight());
        let index = balance::pick(loads, self.limit, self.turn)?;
        self.turn = index + 1;
        let pod = &self.usable[index];
        pod.enter();
        Some(Arc::clone(pod))
    }
}

/// The part that a pod takes in its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Usable,
    Draining,
    Out,
}

#[cfg(test)]
mod tests;

//! One revision's slots and its queue: which request goes to which pod, and which waits.
//!
//! The home of a revision holds all of its counts, so that `containerConcurrency` is exact. It is a
//! plain structure under one short lock, used by every data thread; nothing here waits, wakes or
//! reads a clock. With several activators, the others will call `admit` over the network.
//!
//! Invariant: while a request waits, no pod has a free slot once `next_grant` answered `None`.

use std::sync::Arc;

use tokio::time::Instant;

use crate::admission::balance;
use crate::admission::counts::Counts;
use crate::admission::queue::{Queue, Ticket};
use crate::state::pod::Pod;
use crate::state::settings::QUEUE_LIMIT;

/// Slots, queue and counts. `W` is the handle of a waiting request.
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

/// The answer of `admit`.
#[derive(Debug)]
pub(crate) enum Admission {
    Go(Arc<Pod>),
    /// `urgent` if the autoscaler needs a report of it at once.
    Wait {
        ticket: Ticket,
        urgent: bool,
    },
    Full {
        limit: usize,
    },
}

/// Whether a request asks for a slot for the first time.
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

    /// Gives a slot, a place in the queue, or neither.
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
            && let Some((pod, first)) = self.choose(now)
        {
            self.counts.entered(first, now);
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
        // The first request that finds no pod wakes the autoscaler. After that, the queue is
        // reported whenever its length has doubled, so that the autoscaler knows the load without a
        // report for each request.
        let news = attempt == Attempt::Again || self.queue.len().is_power_of_two();
        Admission::Wait { ticket, urgent: self.usable.is_empty() && news }
    }

    /// Takes the next waiter from the queue and gives it a slot, if one is free. Call it until it
    /// returns `None`.
    pub(crate) fn next_grant(&mut self, now: Instant) -> Option<(W, Arc<Pod>)> {
        if self.queue.is_empty() {
            return None;
        }
        let (pod, first) = self.choose(now)?;
        let waiter = self.queue.pop().expect("the queue was not empty under the same lock");
        self.counts.promoted(first, now);
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

    /// A request that was in `pod` since `since` left it; true if it was the last one in a draining
    /// pod.
    pub(crate) fn release(&mut self, pod: &Pod, since: Instant, now: Instant) -> bool {
        let busy = pod.leave(now);
        self.counts.left(now.saturating_duration_since(since), busy, now);
        busy.is_some() && self.draining.iter().any(|other| other.id == pod.id)
    }

    /// Empties the queue and returns its waiters.
    pub(crate) fn dismiss(&mut self, now: Instant) -> Vec<W> {
        let waiters = self.queue.drain();
        for _ in &waiters {
            self.counts.gave_up(now);
        }
        waiters
    }

    /// Sets whether `pod` gets new requests, only finishes those it has, or is out of use.
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

    /// Takes an unreachable pod out of the rotation; false if it was out already.
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

    /// A pod with a free slot, and whether it was empty.
    fn choose(&mut self, now: Instant) -> Option<(Arc<Pod>, bool)> {
        let loads = self.usable.iter().map(|pod| pod.in_flight());
        let index = balance::pick(loads, self.limit, self.turn)?;
        self.turn = index + 1;
        let pod = &self.usable[index];
        let first = pod.enter(now);
        Some((Arc::clone(pod), first))
    }
}

/// A pod's part in its revision: gets new requests, only finishes those it has, or is out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Usable,
    Draining,
    Out,
}

#[cfg(test)]
mod tests;

//! A queue that is first come, first served, and that a waiter may leave from anywhere.
//!
//! A place that is given up is emptied and skipped, so giving up costs a binary search and does not
//! move the waiters behind it. `home.rs` bounds the length.

use std::collections::VecDeque;

/// Empty places that are kept before the queue is compacted.
const SPARE: usize = 32;

/// A place in the queue. Smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(i64);

/// Waiters in the order in which they are served, with empty places between them.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    places: VecDeque<(Ticket, Option<W>)>,
    waiting: usize,
    first: i64,
    next: i64,
}

impl<W> Queue<W> {
    pub(crate) fn new() -> Self {
        Self { places: VecDeque::new(), waiting: 0, first: 0, next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Takes the last place.
    pub(crate) fn push_back(&mut self, waiter: W) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.places.push_back((ticket, Some(waiter)));
        self.waiting += 1;
        ticket
    }

    /// Takes the first place: for a request that had a pod already and lost it unsent.
    pub(crate) fn push_front(&mut self, waiter: W) -> Ticket {
        self.first -= 1;
        let ticket = Ticket(self.first);
        self.places.push_front((ticket, Some(waiter)));
        self.waiting += 1;
        ticket
    }

    /// Removes and returns the first waiter.
    pub(crate) fn pop(&mut self) -> Option<W> {
        while let Some((_, waiter)) = self.places.pop_front() {
            if let Some(waiter) = waiter {
                self.waiting -= 1;
                return Some(waiter);
            }
        }
        None
    }

    /// Gives up a place; `None` if its waiter has left the queue already.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<W> {
        let at = self.places.binary_search_by_key(&ticket, |(held, _)| *held).ok()?;
        let waiter = self.places[at].1.take()?;
        self.waiting -= 1;
        // Compacted now and then, or empty places would pile up behind a waiter that stays.
        if self.places.len() > 2 * self.waiting + SPARE {
            self.places.retain(|(_, waiter)| waiter.is_some());
        }
        Some(waiter)
    }

    /// Removes and returns all waiters, in order.
    pub(crate) fn drain(&mut self) -> Vec<W> {
        self.waiting = 0;
        self.places.drain(..).filter_map(|(_, waiter)| waiter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_came_first_is_served_first() {
        let mut queue = Queue::new();
        for name in ["a", "b", "c"] {
            queue.push_back(name);
        }
        assert_eq!(
            [queue.pop(), queue.pop(), queue.pop(), queue.pop()],
            [Some("a"), Some("b"), Some("c"), None]
        );
    }

    #[test]
    fn giving_up_leaves_the_others_in_order() {
        let mut queue = Queue::new();
        let first = queue.push_back("a");
        let second = queue.push_back("b");
        queue.push_back("c");
        assert_eq!(queue.remove(second), Some("b"));
        assert_eq!(queue.remove(second), None);
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.pop(), Some("a"));
        assert_eq!(queue.remove(first), None);
        assert_eq!(queue.pop(), Some("c"));
        assert!(queue.is_empty());
    }

    #[test]
    fn places_that_were_given_up_do_not_pile_up_behind_one_that_is_kept() {
        let mut queue = Queue::new();
        let first = queue.push_back(0);
        for waiter in 1..10_000 {
            let ticket = queue.push_back(waiter);
            assert_eq!(queue.remove(ticket), Some(waiter));
        }
        assert!(queue.places.len() < 100, "{} places", queue.places.len());
        assert_eq!(queue.remove(first), Some(0));
    }

    #[test]
    fn a_crowd_that_gives_up_leaves_its_places_and_moves_the_others_only_a_few_times() {
        let mut queue = Queue::new();
        let crowd: Vec<_> = (0..1001).map(|waiter| queue.push_back(waiter)).collect();
        let mut moves = 0;
        for ticket in &crowd[1..] {
            let before = queue.places.len();
            queue.remove(*ticket);
            moves += usize::from(queue.places.len() < before);
            let (places, waiting) = (queue.places.len(), queue.len());
            assert!(places < 3 * waiting + 100, "{places} places for {waiting}");
        }
        assert!(moves < 10, "{moves} moves");
        assert_eq!(queue.drain(), [0]);
    }

    #[test]
    fn a_request_that_lost_its_pod_goes_before_one_that_never_had_one() {
        let mut queue = Queue::new();
        queue.push_back("late");
        let front = queue.push_front("early");
        let earlier = queue.push_front("earlier");
        assert_eq!(queue.remove(front), Some("early"));
        assert_eq!(queue.pop(), Some("earlier"));
        assert_eq!(queue.remove(earlier), None);
        assert_eq!(queue.drain(), ["late"]);
        assert!(queue.is_empty());
    }
}

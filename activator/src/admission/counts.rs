//! Requests of one revision, as counts and their integral over time.
//!
//! Counts change under the home's lock; dropping a slot or a place in the queue counts its request
//! out.

use tokio::time::Instant;

/// Requests of a revision: current ones, and arrivals so far.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) in_flight: u32,
    pub(crate) queued: u32,
    pub(crate) arrivals: u64,
    /// Nanoseconds times requests, up to `since`.
    area: u128,
    since: Instant,
    /// Something changed since the last report.
    pub(crate) changed: bool,
}

impl Counts {
    pub(crate) fn new(now: Instant) -> Self {
        Self { in_flight: 0, queued: 0, arrivals: 0, area: 0, since: now, changed: false }
    }

    pub(crate) fn arrived(&mut self) {
        self.arrivals += 1;
        self.changed = true;
    }

    /// A request got a slot without waiting.
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

    /// A queued request got a slot.
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
        let held = u128::from(self.in_flight) + u128::from(self.queued);
        self.area += now.saturating_duration_since(self.since).as_nanos() * held;
        self.since = self.since.max(now);
        self.changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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

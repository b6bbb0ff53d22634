//! Requests of one revision, as counts and their integrals over time: for scaling, and for what they
//! use.
//!
//! Counts change under the home's lock; dropping a slot or a place in the queue counts its request
//! out.

use std::time::Duration;

use rouse_api::usage::{BILLED_STEP, Served};
use tokio::time::Instant;

/// Requests of a revision: current ones, and arrivals so far.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) in_flight: u32,
    pub(crate) queued: u32,
    pub(crate) arrivals: u64,
    /// Requests that got a slot.
    served: u64,
    /// Pods with at least one request.
    busy: u32,
    /// Nanoseconds times waiting requests, requests in pods, and busy pods; up to `since`.
    queued_area: u128,
    in_flight_area: u128,
    busy_area: u128,
    /// Nanoseconds that rounding adds to the spans that are over.
    request_rounding: u64,
    busy_rounding: u64,
    since: Instant,
    /// Something changed since the last report.
    pub(crate) changed: bool,
}

impl Counts {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            in_flight: 0,
            queued: 0,
            arrivals: 0,
            served: 0,
            busy: 0,
            queued_area: 0,
            in_flight_area: 0,
            busy_area: 0,
            request_rounding: 0,
            busy_rounding: 0,
            since: now,
            changed: false,
        }
    }

    pub(crate) fn arrived(&mut self) {
        self.arrivals += 1;
        self.changed = true;
    }

    /// A request got a slot without waiting; `first` if its pod was empty.
    pub(crate) fn entered(&mut self, first: bool, now: Instant) {
        self.advance(now);
        self.goes(first);
    }

    /// A request left its pod after `stay`; the pod is empty now if it was busy for `busy`.
    pub(crate) fn left(&mut self, stay: Duration, busy: Option<Duration>, now: Instant) {
        self.advance(now);
        self.in_flight -= 1;
        self.request_rounding += rounding(stay);
        if let Some(busy) = busy {
            self.busy -= 1;
            self.busy_rounding += rounding(busy);
        }
    }

    fn goes(&mut self, first: bool) {
        self.in_flight += 1;
        self.served += 1;
        self.busy += u32::from(first);
    }

    pub(crate) fn queued(&mut self, now: Instant) {
        self.advance(now);
        self.queued += 1;
    }

    /// A queued request got a slot; `first` if its pod was empty.
    pub(crate) fn promoted(&mut self, first: bool, now: Instant) {
        self.advance(now);
        self.queued -= 1;
        self.goes(first);
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
        seconds(self.queued_area + self.in_flight_area)
    }

    /// What its requests used, up to the last change or reading. Bytes are counted elsewhere.
    pub(crate) fn used(&self) -> Served {
        Served {
            requests: self.served,
            request_seconds: seconds(self.in_flight_area),
            rounded_request_seconds: seconds(
                self.in_flight_area + u128::from(self.request_rounding),
            ),
            busy_seconds: seconds(self.busy_area),
            rounded_busy_seconds: seconds(self.busy_area + u128::from(self.busy_rounding)),
            sent_bytes: 0,
        }
    }

    /// Threads read the clock before they take the lock, so `now` may be a little behind.
    fn advance(&mut self, now: Instant) {
        let past = now.saturating_duration_since(self.since).as_nanos();
        self.queued_area += past * u128::from(self.queued);
        self.in_flight_area += past * u128::from(self.in_flight);
        self.busy_area += past * u128::from(self.busy);
        self.since = self.since.max(now);
        self.changed = true;
    }
}

/// A second is a whole number of billed steps, so that only a time's fraction of a second is rounded.
const STEP_NANOS: u32 = BILLED_STEP.subsec_nanos();
const _: () = assert!(BILLED_STEP.as_secs() == 0 && 1_000_000_000 % STEP_NANOS == 0);

/// The nanoseconds that are missing to a whole billed step.
fn rounding(span: Duration) -> u64 {
    let nanos = span.subsec_nanos();
    u64::from(nanos.next_multiple_of(STEP_NANOS) - nanos)
}

fn seconds(nanos: u128) -> f64 {
    nanos as f64 / 1e9
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
        counts.entered(true, at(1500));
        counts.promoted(false, at(2000));
        counts.left(Duration::from_millis(750), None, at(2250));
        // 0.5 s of one, 0.75 s of two, 0.75 s of one.
        assert!((counts.seconds(at(3000)) - 2.75).abs() < 1e-9);
        assert_eq!((counts.in_flight, counts.queued, counts.arrivals), (1, 0, 2));
    }

    #[test]
    fn a_clock_read_before_the_lock_takes_nothing_away() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut counts = Counts::new(start);
        counts.entered(true, at(0));
        counts.entered(false, at(100));
        counts.left(Duration::ZERO, None, at(90));
        assert!((counts.seconds(at(100)) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_time_is_rounded_up_to_the_next_step() {
        for (nanos, missing) in [
            (0, 0),
            (1, 99_999_999),
            (99_999_999, 1),
            (100_000_000, 0),
            (100_000_001, 99_999_999),
            (3_999_999_999, 1),
            (4_000_000_000, 0),
        ] {
            assert_eq!(rounding(Duration::from_nanos(nanos)), missing, "{nanos}");
        }
        assert_eq!(rounding(Duration::MAX), 1, "of 18446744073709551615.999999999 s");
    }

    #[test]
    fn use_goes_on_while_requests_are_in_pods_and_is_rounded_when_they_leave() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut counts = Counts::new(start);
        let used = |counts: &mut Counts, now| {
            counts.seconds(now);
            let Served { requests, request_seconds, rounded_request_seconds, .. } = counts.used();
            let Served { busy_seconds, rounded_busy_seconds, .. } = counts.used();
            let millis = |seconds: f64| (seconds * 1000.0).round();
            let requests_ = [request_seconds, rounded_request_seconds].map(millis);
            (requests, requests_, [busy_seconds, rounded_busy_seconds].map(millis))
        };
        counts.entered(true, at(0));
        counts.entered(false, at(50));
        assert_eq!(used(&mut counts, at(100)), (2, [150.0, 150.0], [100.0, 100.0]));
        counts.left(Duration::from_millis(130), None, at(130));
        counts.left(Duration::from_millis(180), Some(Duration::from_millis(230)), at(230));
        assert_eq!(used(&mut counts, at(9000)), (2, [310.0, 400.0], [230.0, 300.0]));
    }
}

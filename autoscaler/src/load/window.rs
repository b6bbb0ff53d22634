//! The load of the last minutes in buckets of a second, and its averages.
//!
//! An entry is an amount (request-seconds, or requests) over a span of time, however long;
//! it is shared out over the seconds that the span covers. An average is taken over exactly the
//! window: the running second counts for the part that has passed, and the oldest for the rest.
//! Time counts from the first entry on, so that a young revision is not diluted, and zeros are
//! recorded while it has ready pods. Upstream: `pkg/autoscaler/aggregation/bucketing.go`, whose
//! buckets are whole seconds of samples.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use rouse_api::annotations::Aggregation;
use rouse_k8s::time::later;

/// No window is longer (`WINDOW_MAX`), and one second more for the oldest part.
const KEPT_S: usize = 3601;
const KEPT: Duration = Duration::from_secs(3601);
/// Averages are rounded to one part in this: sums of fractions must not ask for one more pod.
const PRECISION: f64 = 1e6;
/// The weights of a window's buckets make up this much of 1.
const WEIGHT_COVERED: f64 = 0.9999;
/// The least weight of the newest bucket.
const WEIGHT_MIN: f64 = 0.2;

/// Load over time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The second of the last bucket.
    newest: i64,
    /// One amount a second, oldest first.
    buckets: VecDeque<f64>,
    /// When counting began; None while nothing was ever recorded.
    first: Option<Timestamp>,
    /// The last time something was recorded, zeros included.
    last: Option<Timestamp>,
}

impl Window {
    /// Adds `amount`, which covers the time from `span` before `now` until `now`. Without data for
    /// as long as `forget`, counting starts again.
    pub fn record(&mut self, now: Timestamp, span: Duration, amount: f64, forget: Duration) {
        self.restart_after_silence(now, span, forget);
        self.advance(now.as_second());
        self.last = self.last.max(Some(now));
        if amount <= 0.0 {
            return;
        }
        let until = seconds(now);
        let from = (until - span.as_secs_f64()).max(self.first.map_or(until, seconds));
        if until <= from {
            self.add(now.as_second(), amount);
            return;
        }
        let rate = amount / (until - from);
        // What is older than any window is not kept.
        let mut at = from.max(until - KEPT.as_secs_f64());
        while at < until {
            let next = (at.floor() + 1.0).min(until);
            self.add(whole(at), rate * (next - at));
            at = next;
        }
    }

    fn restart_after_silence(&mut self, now: Timestamp, span: Duration, forget: Duration) {
        let silent = self.last.is_none_or(|last| later(last, forget) <= now);
        if silent {
            *self = Self {
                first: Some(now.checked_sub(span.min(forget)).unwrap_or(Timestamp::MIN)),
                ..Self::default()
            };
        }
    }

    /// Makes buckets up to `second`.
    fn advance(&mut self, second: i64) {
        let missing = usize::try_from(second.saturating_sub(self.newest));
        if self.buckets.is_empty() || missing.is_ok_and(|missing| missing > KEPT_S) {
            self.buckets.clear();
            self.newest = second;
            self.buckets.push_back(0.0);
        }
        while self.newest < second {
            self.newest += 1;
            self.buckets.push_back(0.0);
        }
        while self.buckets.len() > KEPT_S {
            self.buckets.pop_front();
        }
    }

    fn add(&mut self, second: i64, amount: f64) {
        let back = self.newest - second;
        while let Ok(back) = usize::try_from(back)
            && back >= self.buckets.len()
            && self.buckets.len() < KEPT_S
        {
            self.buckets.push_front(0.0);
        }
        if let Some(bucket) = self.at(back) {
            *bucket += amount;
        }
    }

    fn at(&mut self, back: i64) -> Option<&mut f64> {
        let index = self.buckets.len().checked_sub(1 + usize::try_from(back).ok()?)?;
        self.buckets.get_mut(index)
    }

    /// The amount of the bucket of `second`.
    fn amount(&self, second: i64) -> f64 {
        let back = usize::try_from(self.newest - second).ok();
        let index = back.and_then(|back| self.buckets.len().checked_sub(1 + back));
        index.and_then(|index| self.buckets.get(index)).copied().unwrap_or(0.0)
    }

    /// The average per second over the last `window`; None if nothing was recorded in it.
    #[must_use]
    pub fn average(&self, now: Timestamp, window: Duration, how: Aggregation) -> Option<f64> {
        let (first, last) = (self.first?, self.last?);
        if later(last, window) <= now {
            return None;
        }
        let average = match how {
            Aggregation::Linear => self.linear(now, window, first),
            Aggregation::WeightedExponential => self.weighted(now, window),
        };
        let rounded = (average * PRECISION).round() / PRECISION;
        // A little load never rounds to zero: only an empty window leads to zero pods.
        Some(if average > 0.0 { rounded.max(1.0 / PRECISION) } else { 0.0 })
    }

    fn linear(&self, now: Timestamp, window: Duration, first: Timestamp) -> f64 {
        let passed = seconds(now) - seconds(now).floor();
        let count = whole_seconds(window);
        let newest = now.as_second();
        let whole: f64 = (newest - count + 1..=newest).map(|second| self.amount(second)).sum();
        let sum = whole + self.amount(newest - count) * (1.0 - passed);
        // A second at least: a burst of milliseconds is not taken for the load of a second.
        let covered = (seconds(now) - seconds(first)).clamp(1.0, window.as_secs_f64().max(1.0));
        sum / covered
    }

    /// The newest whole second weighs most, each older one a constant part less.
    fn weighted(&self, now: Timestamp, window: Duration) -> f64 {
        let count = whole_seconds(window);
        let newest = now.as_second();
        let oldest = self.first.map_or(newest, Timestamp::as_second);
        if oldest == newest {
            return self.amount(newest);
        }
        #[expect(clippy::cast_precision_loss, reason = "an hour of seconds at most")]
        let exponent = 1.0 / count as f64;
        let decay = WEIGHT_MIN.max(1.0 - (1.0 - WEIGHT_COVERED).powf(exponent));
        let mut weight = decay;
        let mut sum = 0.0;
        for second in (newest - count..newest).rev() {
            sum += self.amount(second) * weight;
            weight *= 1.0 - decay;
        }
        // The running second may hold the only load there is.
        if sum > 0.0 { sum } else { self.amount(newest) * decay }
    }
}

/// The seconds of a window, as far as it is kept.
fn whole_seconds(window: Duration) -> i64 {
    window.min(KEPT).as_secs().cast_signed()
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
fn whole(seconds: f64) -> i64 {
    seconds.floor() as i64
}

#[cfg(test)]
mod tests;

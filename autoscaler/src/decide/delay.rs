//! The scale-down delay: the maximum that was wanted during the delay.
//!
//! A lower number counts only once every higher one is older than the delay. Upstream:
//! `pkg/autoscaler/aggregation/max/window.go`.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// How long one slot of the window is; upstream's tick.
pub const SLOT: Duration = Duration::from_secs(2);

/// A sliding maximum.
#[derive(Clone, Debug, Default)]
pub struct DelayWindow {
    /// Slot number and value; values fall from front to back.
    peaks: VecDeque<(i64, u32)>,
}

impl DelayWindow {
    /// Adds `want` and returns the maximum of the last `delay`. Without a delay, `want` itself.
    pub fn record(&mut self, delay: Duration, now: Timestamp, want: u32) -> u32 {
        if delay.is_zero() {
            self.peaks.clear();
            return want;
        }
        let slot = now.as_second().div_euclid(SLOT.as_secs().cast_signed());
        let slots = delay.as_secs().div_ceil(SLOT.as_secs()).cast_signed();
        while self.peaks.back().is_some_and(|&(_, value)| value <= want) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((slot, want));
        while self.peaks.front().is_some_and(|&(at, _)| at <= slot - slots) {
            self.peaks.pop_front();
        }
        self.peaks.front().map_or(want, |&(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(300);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + second).unwrap()
    }

    #[test]
    fn a_lower_number_waits_until_the_higher_has_left_the_window() {
        let mut window = DelayWindow::default();
        let steps = [(2, 4, 4), (300, 0, 4), (302, 0, 0)];
        for (second, want, expected) in steps {
            assert_eq!(window.record(DELAY, at(second), want), expected, "at {second} s");
        }
    }

    #[test]
    fn a_slow_fall_is_followed_step_by_step() {
        let mut window = DelayWindow::default();
        let steps = [(540, 4, 4), (600, 3, 4), (660, 0, 4), (840, 0, 3), (900, 0, 0)];
        for (second, want, expected) in steps {
            assert_eq!(window.record(DELAY, at(second), want), expected, "at {second} s");
        }
    }

    #[test]
    fn without_a_delay_nothing_is_held() {
        let mut window = DelayWindow::default();
        assert_eq!(window.record(Duration::ZERO, at(0), 4), 4);
        assert_eq!(window.record(Duration::ZERO, at(0), 2), 2);
    }
}

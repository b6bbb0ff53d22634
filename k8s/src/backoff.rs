//! Pauses between attempts that fail: an initial one, doubled with each failure, up to a cap.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/wait.Backoff`, client-go's `workqueue` rate limiters.

use std::time::Duration;

/// The pauses between the attempts of one operation. Deterministic: the same failures give the same
/// pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    initial: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// `initial` after the first failure, twice that after the second, never more than `cap`.
    #[must_use]
    pub const fn doubling(initial: Duration, cap: Duration) -> Self {
        Self { initial, cap, failures: 0 }
    }

    /// The pause after one more failure.
    #[must_use = "the pause is to be kept"]
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// The pause between failure number `earlier + 1` and the next attempt, for callers that count
    /// themselves.
    #[must_use]
    pub fn after(&self, earlier: u32) -> Duration {
        // From the 32nd doubling on even a nanosecond is longer than four seconds; what overflows is
        // beyond any cap.
        let factor = 1_u32.checked_shl(earlier).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.cap)
    }

    /// The pause that was given last; the initial one if there was none.
    #[must_use]
    pub fn last(&self) -> Duration {
        self.after(self.failures.saturating_sub(1))
    }

    /// Begins again with the initial pause: the attempt succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(pauses: impl IntoIterator<Item = Duration>) -> Vec<u64> {
        pauses.into_iter().map(|pause| pause.as_secs()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_again_after_success() {
        let mut backoff = Backoff::doubling(SECOND * 10, SECOND * 300);
        let pauses = (0..7).map(|_| backoff.next_pause());
        assert_eq!(seconds(pauses), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.last(), SECOND * 300);
        backoff.reset();
        assert_eq!(backoff.last(), SECOND * 10);
        assert_eq!(backoff.next_pause(), SECOND * 10);
    }

    #[test]
    fn any_count_of_failures_gives_a_pause() {
        let backoff = Backoff::doubling(Duration::from_nanos(1), Duration::MAX);
        assert_eq!(backoff.after(31), Duration::from_nanos(1 << 31));
        for earlier in [32, 33, 64, u32::MAX] {
            assert_eq!(backoff.after(earlier), Duration::from_nanos(u64::from(u32::MAX)));
        }
        let long = Backoff::doubling(Duration::MAX, SECOND);
        assert_eq!(long.after(u32::MAX), SECOND);
        assert_eq!(Backoff::doubling(Duration::MAX, Duration::MAX).after(9), Duration::MAX);
        let mut worn = Backoff { failures: u32::MAX, ..Backoff::doubling(SECOND, SECOND * 9) };
        assert_eq!((worn.next_pause(), worn.last()), (SECOND * 9, SECOND * 9));
    }
}

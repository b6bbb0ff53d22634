//! How long to wait before the next try: 10 s, doubled each time, never more than 5 min.
//!
//! Upstream: pkg/kubelet (`MaxContainerBackOff`, `backOffPeriod`), client-go `flowcontrol.Backoff`.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);
/// A container that ran this long starts anew (twice the longest wait, as upstream).
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// One per container and purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// After a failed try: 10 s, 20 s, …
    pub(crate) fn after_failure(&mut self) -> Duration {
        let next = self.last.map_or(FIRST, |last| (last * 2).min(LONGEST));
        self.last = Some(next);
        next
    }

    /// After a container ended that ran for `ran`. The first restart is immediate, then 10 s, 20 s, …
    pub(crate) fn after_exit(&mut self, ran: Duration) -> Duration {
        if ran >= FORGIVEN_AFTER {
            *self = Self::default();
        }
        let wait = match self.last {
            None => Duration::ZERO,
            Some(Duration::ZERO) => FIRST,
            Some(last) => (last * 2).min(LONGEST),
        };
        self.last = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(waits: impl IntoIterator<Item = Duration>) -> Vec<u64> {
        waits.into_iter().map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn failed_pulls_wait_ten_seconds_doubling_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits = (0..7).map(|_| backoff.after_failure());
        assert_eq!(seconds(waits), [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_next_ones_wait() {
        let mut backoff = Backoff::default();
        let waits = (0..4).map(|_| backoff.after_exit(Duration::from_secs(1)));
        assert_eq!(seconds(waits), [0, 10, 20, 40]);
    }

    #[test]
    fn ten_minutes_of_running_are_forgiveness() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.after_exit(Duration::from_secs(599));
        }
        assert_eq!(backoff.after_exit(Duration::from_secs(600)), Duration::ZERO);
    }
}

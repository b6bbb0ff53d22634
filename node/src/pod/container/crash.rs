//! The wait of an ended container before its next start.
//!
//! Upstream: pkg/kubelet (`MaxContainerBackOff`, `backOffPeriod`), client-go `flowcontrol.Backoff`.

use std::time::Duration;

use rouse_k8s::Backoff;

/// As the kubelet's, for failed pulls and for containers that end.
pub(super) const BACKOFF: Backoff =
    Backoff::doubling(Duration::from_secs(10), Duration::from_secs(300));
/// A container that ran this long gets a fresh back-off (twice the longest wait, as upstream).
const RESET_AFTER: Duration = Duration::from_secs(600);

/// The first restart is at once, the next ones wait ever longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrashBackoff {
    restarted: bool,
    backoff: Backoff,
}

impl Default for CrashBackoff {
    fn default() -> Self {
        Self { restarted: false, backoff: BACKOFF }
    }
}

impl CrashBackoff {
    /// The wait before the restart of a container that ran for `ran`.
    pub(super) fn after_exit(&mut self, ran: Duration) -> Duration {
        if ran >= RESET_AFTER {
            *self = Self::default();
        }
        if std::mem::replace(&mut self.restarted, true) {
            return self.backoff.next_pause();
        }
        Duration::ZERO
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
        let mut backoff = BACKOFF;
        let waits = (0..7).map(|_| backoff.next_pause());
        assert_eq!(seconds(waits), [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_next_ones_wait() {
        let mut backoff = CrashBackoff::default();
        let waits = (0..4).map(|_| backoff.after_exit(Duration::from_secs(1)));
        assert_eq!(seconds(waits), [0, 10, 20, 40]);
    }

    #[test]
    fn ten_minutes_of_running_reset_the_back_off() {
        let mut backoff = CrashBackoff::default();
        for _ in 0..5 {
            backoff.after_exit(Duration::from_secs(599));
        }
        assert_eq!(backoff.after_exit(Duration::from_secs(600)), Duration::ZERO);
        assert_eq!(backoff.after_exit(Duration::ZERO), Duration::from_secs(10));
    }
}

//! Backoff of work that failed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rouse_apiserver::status::Failure;
use rouse_k8s::{Backoff, time};
use rouse_kit::panics::Panicked;

use super::work::Work;

/// Upstream's workqueue begins with 5 ms; a store that cannot be written is not retried that often.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Refused(#[from] Failure),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

#[derive(Debug)]
struct Failed {
    backoff: Backoff,
    until: Timestamp,
    panicked: bool,
}

/// The work that failed last time.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Work, Failed>);

impl Failures {
    /// Records a failure. Returns when to retry, and whether the failure is the first.
    pub(super) fn failed(
        &mut self,
        work: &Work,
        error: &StepError,
        now: Timestamp,
    ) -> (Timestamp, bool) {
        let first = !self.0.contains_key(work);
        let failed = self.0.entry(work.clone()).or_insert_with(|| Failed {
            backoff: Backoff::doubling(FIRST_PAUSE, LONGEST_PAUSE),
            until: now,
            panicked: false,
        });
        failed.until = time::later(now, failed.backoff.next_pause());
        failed.panicked = matches!(error, StepError::Panicked(_));
        (failed.until, first)
    }

    /// Whether it had failed before.
    pub(super) fn succeeded(&mut self, work: &Work) -> bool {
        self.0.remove(work).is_some()
    }

    /// Whether an event must not retry it yet: work that panicked would panic again.
    pub(super) fn set_aside(&self, work: &Work, now: Timestamp) -> bool {
        self.0.get(work).is_some_and(|failed| failed.panicked && now < failed.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rouse_apiserver::store::Key;

    #[test]
    fn a_key_that_panics_is_left_alone_for_longer_and_longer() {
        let work = Work::Pod(Key::new("pods", "d", "p"));
        let other = Work::Pod(Key::new("pods", "d", "q"));
        let panicked = rouse_kit::panics::catch(|| -> () { panic!("no") }).unwrap_err();
        let error = StepError::from(panicked);
        let mut failures = Failures::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut pauses = Vec::new();
        for round in 0..12 {
            let (again, first) = failures.failed(&work, &error, now);
            assert_eq!(first, round == 0);
            assert!(failures.set_aside(&work, now) && !failures.set_aside(&other, now));
            pauses.push(time::since(now, again).as_millis());
            now = again;
            assert!(!failures.set_aside(&work, now));
        }
        assert_eq!(pauses[..4], [100, 200, 400, 800]);
        assert_eq!(pauses[11], 60_000);
        assert!(failures.succeeded(&work) && !failures.succeeded(&work));
    }
}

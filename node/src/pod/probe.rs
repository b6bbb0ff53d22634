//! The times of probes, and the verdict on consecutive answers.
//!
//! The kubelet probes once a period, and so lets a program that is up in 50 ms wait for a second.
//! Here, until the first success, quick checks run within the period; a quick check may pass, but
//! never counts as a failure. Failures count once a period, as everywhere.
//!
//! Invariant: pure. `worker/prober.rs` sends the probes.
//! Upstream: pkg/kubelet/prober/worker.go.

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;

/// The first quick check comes this long after the last one; each next one half as much later.
const QUICK_FIRST: Duration = Duration::from_millis(4);
const QUICK_LONGEST: Duration = Duration::from_millis(100);
/// Knative's `periodSeconds: 0` asks for a probe as fast as sensible.
const AGGRESSIVE_PERIOD: Duration = Duration::from_millis(50);
/// The longest timeout of a quick check, since a check that counts follows it.
const QUICK_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    /// The first word of messages about it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// The times and thresholds of a probe, defaulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) delay: Duration,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    successes: u32,
    failures: u32,
}

impl Timing {
    pub(crate) fn of(probe: &Probe) -> Self {
        let count = |value: Option<i32>| value.and_then(|v| u32::try_from(v).ok());
        let seconds = |value: Option<i32>| count(value).map(|s| Duration::from_secs(u64::from(s)));
        let aggressive = probe.period_seconds == Some(0);
        let at_least_one =
            |value: Option<i32>, default| count(value).filter(|v| *v > 0).unwrap_or(default);
        Self {
            delay: seconds(probe.initial_delay_seconds).unwrap_or_default(),
            period: if aggressive {
                AGGRESSIVE_PERIOD
            } else {
                seconds(probe.period_seconds).unwrap_or(Duration::from_secs(10))
            },
            timeout: seconds(probe.timeout_seconds)
                .filter(|timeout| !timeout.is_zero())
                .unwrap_or(Duration::from_secs(1)),
            successes: at_least_one(probe.success_threshold, 1),
            failures: at_least_one(probe.failure_threshold, 3),
        }
    }
}

/// Whether a check counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The check of this period: it counts.
    Periodic,
    /// A check before it: only a success counts.
    Quick,
}

/// The result of a check for the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Enough successes in a row.
    Passed,
    /// A failure, not yet enough of them.
    Failing,
    /// Enough failures in a row.
    Failed,
    Nothing,
}

/// One container's one probe.
#[derive(Clone, Debug)]
pub(crate) struct Tracker {
    kind: ProbeKind,
    timing: Timing,
    /// Successes or failures in a row; the other count is zero.
    successes: u32,
    failures: u32,
    passed_once: bool,
    quick: Duration,
    /// Time until the next check that counts.
    left: Duration,
}

impl Tracker {
    pub(crate) fn new(kind: ProbeKind, timing: Timing) -> Self {
        Self {
            kind,
            timing,
            successes: 0,
            failures: 0,
            passed_once: false,
            quick: QUICK_FIRST,
            left: Duration::ZERO,
        }
    }

    pub(crate) fn timeout(&self, check: Check) -> Duration {
        match check {
            Check::Periodic => self.timing.timeout,
            Check::Quick => self.timing.timeout.min(QUICK_TIMEOUT),
        }
    }

    /// The wait until the next check, and its kind. The first is at once (after the delay).
    pub(crate) fn next(&mut self, first: bool) -> (Duration, Check) {
        if first {
            self.left = self.timing.period;
            // A program that only just began may not answer yet: that is no failure.
            return (self.timing.delay, Check::Quick);
        }
        let hasty = match self.kind {
            ProbeKind::Readiness | ProbeKind::Startup => !self.passed_once,
            ProbeKind::Liveness => false,
        };
        if hasty && self.quick < self.left {
            let wait = self.quick;
            self.left -= wait;
            self.quick = (self.quick * 3 / 2).min(QUICK_LONGEST);
            return (wait, Check::Quick);
        }
        let wait = self.left;
        self.left = self.timing.period;
        (wait, Check::Periodic)
    }

    pub(crate) fn record(&mut self, check: Check, passed: bool) -> Verdict {
        match (passed, check) {
            (true, _) => {
                self.failures = 0;
                self.successes += 1;
                if self.successes < self.timing.successes {
                    return Verdict::Nothing;
                }
                self.passed_once = true;
                Verdict::Passed
            }
            (false, Check::Quick) => {
                self.successes = 0;
                Verdict::Nothing
            }
            (false, Check::Periodic) => {
                self.successes = 0;
                self.failures += 1;
                if self.failures < self.timing.failures {
                    Verdict::Failing
                } else {
                    Verdict::Failed
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(period: i32, failures: i32) -> Probe {
        Probe {
            period_seconds: Some(period),
            failure_threshold: Some(failures),
            ..Probe::default()
        }
    }

    /// How many checks, and of what kind, until `limit` has passed, each failing.
    fn failing(kind: ProbeKind, probe: &Probe, limit: Duration) -> (u32, Vec<(u128, Verdict)>) {
        let mut tracker = Tracker::new(kind, Timing::of(probe));
        let (mut at, mut quick, mut counted, mut first) = (Duration::ZERO, 0, Vec::new(), true);
        while at < limit {
            let (wait, check) = tracker.next(first);
            first = false;
            at += wait;
            match (check, tracker.record(check, false)) {
                (Check::Quick, verdict) => {
                    assert_eq!(verdict, Verdict::Nothing);
                    quick += 1;
                }
                (Check::Periodic, verdict) => counted.push((at.as_millis(), verdict)),
            }
        }
        (quick, counted)
    }

    #[test]
    fn failures_count_once_a_period_however_often_it_is_probed() {
        let (quick, counted) = failing(ProbeKind::Readiness, &probe(1, 2), Duration::from_secs(3));
        assert_eq!(
            counted,
            [(1000, Verdict::Failing), (2000, Verdict::Failed), (3000, Verdict::Failed)]
        );
        assert!(quick > 20, "asked quickly only {quick} times");
    }

    #[test]
    fn liveness_is_probed_once_a_period() {
        let (quick, counted) = failing(ProbeKind::Liveness, &probe(10, 3), Duration::from_secs(30));
        assert_eq!(quick, 1, "the first check, which does not count");
        assert_eq!(counted.len(), 3);
        assert_eq!(counted[2], (30_000, Verdict::Failed));
    }

    #[test]
    fn a_ready_container_is_probed_once_a_period() {
        let mut tracker = Tracker::new(ProbeKind::Readiness, Timing::of(&probe(5, 3)));
        let (wait, check) = tracker.next(true);
        assert_eq!((wait, tracker.record(check, true)), (Duration::ZERO, Verdict::Passed));
        assert_eq!(tracker.next(false), (Duration::from_secs(5), Check::Periodic));
    }

    #[test]
    fn a_probe_passes_after_as_many_successes_in_a_row_as_its_threshold() {
        let probe = Probe { success_threshold: Some(2), ..probe(1, 3) };
        let mut tracker = Tracker::new(ProbeKind::Readiness, Timing::of(&probe));
        assert_eq!(tracker.record(Check::Quick, true), Verdict::Nothing);
        assert_eq!(tracker.record(Check::Quick, false), Verdict::Nothing);
        assert_eq!(tracker.record(Check::Quick, true), Verdict::Nothing);
        assert_eq!(tracker.record(Check::Quick, true), Verdict::Passed);
    }

    #[test]
    fn period_zero_is_fast() {
        let timing = Timing::of(&probe(0, 0));
        assert_eq!(timing.period, AGGRESSIVE_PERIOD);
        assert_eq!(timing.failures, 3);
    }
}

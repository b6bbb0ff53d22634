//! Failures of passes: how long until the next attempt, and which of them are reported.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use rouse_k8s::{Backoff, ObjectKey};
use rouse_kit::ApplyError;
use rouse_kit::panics::Panicked;

/// Pauses before an object whose pass panicked is tried again.
const PANICKED: Backoff = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(300));

/// Why a pass did not reach its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("an internal error: {0}")]
    Panicked(#[from] Panicked),
}

impl Failure {
    /// A stable word for logs and metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Apply(error) => error.label(),
            Self::Panicked(_) => "panicked",
        }
    }

    fn retry_after(&self, failures: u32) -> Duration {
        match self {
            Self::Apply(error) => error.retry_after(failures),
            Self::Panicked(_) => PANICKED.after(failures),
        }
    }

    /// Whether the write failed only because the local copy was outdated.
    fn is_stale(&self) -> bool {
        matches!(self, Self::Apply(ApplyError::Stale { .. }))
    }
}

/// The objects of one reconciler whose last pass failed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    objects: Mutex<HashMap<ObjectKey, Failing>>,
}

#[derive(Debug, Default)]
struct Failing {
    count: u32,
    /// The message that was reported last; None where none was.
    reported: Option<String>,
}

/// The pause and the report that follow from a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) after: Duration,
    /// The object began to fail, or fails with another message: operators are to see it.
    pub(super) is_news: bool,
}

impl Failures {
    /// Counts a failure.
    pub(super) fn failed(&self, key: ObjectKey, failure: &Failure) -> Verdict {
        let mut objects = self.objects.lock();
        let failing = objects.entry(key).or_default();
        let after = failure.retry_after(failing.count);
        failing.count = failing.count.saturating_add(1);
        let said = failure.to_string();
        let is_news = !failure.is_stale() && failing.reported.as_ref() != Some(&said);
        if is_news {
            failing.reported = Some(said);
        }
        Verdict { after, is_news }
    }

    /// The last pass succeeded, or the object is gone. Returns the message last reported.
    pub(super) fn ended(&self, key: &ObjectKey) -> Option<String> {
        self.objects.lock().remove(key)?.reported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(code: u16) -> Failure {
        let status = kube::core::Status { code, ..Default::default() };
        let source = Box::new(kube::Error::Api(status.boxed()));
        Failure::Apply(ApplyError::Unavailable { what: format!("write {code}"), source })
    }

    #[test]
    fn a_failure_is_news_once_until_it_is_another_or_ends() {
        let failures = Failures::default();
        let key = || ObjectKey::new("shop", "hello");
        let news = |failure: &Failure| failures.failed(key(), failure).is_news;
        let stale = Failure::Apply(ApplyError::Stale { what: "update".to_owned() });
        assert!(!news(&stale), "the watch brings the new state");
        assert!(news(&unavailable(500)));
        assert!(!news(&unavailable(500)) && !news(&stale) && !news(&unavailable(500)));
        assert!(news(&unavailable(503)));
        assert_eq!(failures.ended(&key()).as_deref(), Some("cannot write 503"));
        assert_eq!(failures.ended(&key()), None);
        assert!(news(&unavailable(503)));
    }

    #[test]
    fn metrics_tell_failures_apart() {
        let panicked = rouse_kit::panics::catch(|| panic!("broken")).unwrap_err();
        assert_eq!(Failure::from(panicked).label(), "panicked");
        assert_eq!(unavailable(500).label(), "unavailable");
    }

    #[test]
    fn pauses_grow_for_each_object_on_its_own() {
        let failures = Failures::default();
        let after =
            |name: &str| failures.failed(ObjectKey::new("shop", name), &unavailable(500)).after;
        let first = after("hello");
        assert!(!first.is_zero());
        assert_eq!(after("hello"), first * 2);
        assert_eq!(after("other"), first);
        failures.ended(&ObjectKey::new("shop", "hello"));
        assert_eq!(after("hello"), first);
    }
}

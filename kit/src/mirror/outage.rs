//! A time during which a mirror cannot follow its kind, so that its objects may be stale.

use std::time::Duration;

use tokio::time::Instant;

/// A failing watch fails again within this time: the longest pause and the time of an attempt. A
/// watch that is resumed without a list yields nothing, so an outage is over when no failure came
/// for this long.
const SILENCE: Duration = Duration::from_secs(60);

/// Failures of a watch with no success in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The kind, as users write it.
    pub kind: String,
    pub since: Instant,
    /// The last failure, and its cause.
    pub last: Instant,
    pub cause: String,
}

impl Outage {
    /// After one more failure.
    pub(super) fn next(before: Option<&Self>, kind: &str, cause: String, now: Instant) -> Self {
        let since = before.filter(|before| before.lasts(now)).map_or(now, |before| before.since);
        Self { kind: kind.to_owned(), since, last: now, cause }
    }

    /// Whether it goes on: the last failure was less than `SILENCE` ago.
    #[must_use]
    pub fn lasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < SILENCE
    }

    /// How long it has lasted; zero if it does not.
    #[must_use]
    pub fn duration(&self, now: Instant) -> Duration {
        if self.lasts(now) { now.saturating_duration_since(self.since) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_follow_one_another_are_one_outage() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = Outage::next(None, "Pod", "refused".to_owned(), at(0));
        let second = Outage::next(Some(&first), "Pod", "refused".to_owned(), at(35));
        assert_eq!((second.since, second.last), (at(0), at(35)));
        assert_eq!(second.duration(at(94)), Duration::from_secs(94));
        assert_eq!(second.duration(at(95)), Duration::ZERO, "nothing failed for a minute");
        let later = Outage::next(Some(&second), "Pod", "refused".to_owned(), at(200));
        assert_eq!(later.since, at(200));
    }
}

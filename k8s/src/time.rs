//! Points in time and lengths of time as objects carry them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The longest that Go's `time.Duration`, and so anything in Kubernetes, can be: 292 years. An
/// `Instant` or a timestamp of this century plus that much is still in range.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());

/// A number of seconds that a field holds, such as `terminationGracePeriodSeconds`: zero if it is
/// negative, at most 292 years.
#[must_use]
pub fn seconds(value: impl Into<i64>) -> Duration {
    Duration::from_secs(u64::try_from(value.into()).unwrap_or(0)).min(LONGEST)
}

/// `time` + `length`; saturates at `Timestamp::MAX`.
#[must_use]
pub fn later(time: Timestamp, length: Duration) -> Timestamp {
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    time.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// How long after `earlier` the time `later` is; zero if it is not after it.
#[must_use]
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

/// RFC 3339 in whole seconds and UTC, as `metav1.Time` is written.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_a_field_are_never_negative_nor_endless() {
        assert_eq!(seconds(30), Duration::from_secs(30));
        assert_eq!(seconds(-1), Duration::ZERO);
        assert_eq!(seconds(i64::MIN), Duration::ZERO);
        assert_eq!(seconds(i64::MAX), LONGEST);
        assert!(std::time::Instant::now().checked_add(seconds(i64::MAX)).is_some());
    }

    #[test]
    fn sums_and_differences_stay_within_time() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(later(now, Duration::from_secs(5)).as_second(), 5);
        assert_eq!(later(now, Duration::MAX), Timestamp::MAX);
        assert_eq!(later(Timestamp::MAX, Duration::from_nanos(1)), Timestamp::MAX);
        assert_eq!(since(now, later(now, Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(since(later(now, Duration::from_secs(5)), now), Duration::ZERO);
        assert!(since(Timestamp::MIN, Timestamp::MAX) > LONGEST);
    }

    #[test]
    fn a_time_is_written_in_seconds() {
        let time: Timestamp = "2025-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(rfc3339(time), "2025-01-02T03:04:05Z");
    }
}

//! Times that cannot overflow, whatever a manifest asks for.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// `wait` after `at`, at most the last time there is.
pub(super) fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// From `since` to `at`; nothing if that lies before it.
pub(super) fn between(since: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(since)).unwrap_or_default()
}

/// Seconds of a manifest; `None` of less than nothing.
pub(super) fn seconds(seconds: i64) -> Option<Duration> {
    seconds.try_into().ok().map(Duration::from_secs)
}

pub(crate) fn kubernetes_time(at: Timestamp) -> Time {
    Time(at)
}

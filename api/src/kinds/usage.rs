//! The use of revisions, as bills count it: the activators' counts, and the ledger that keeps them.
//!
//! A ledger is a ConfigMap in the system namespace for each namespace and month (UTC),
//! `usage.default.2026-11`, with a key for each revision. It outlives the revisions: a bill is due for
//! what was used, whatever became of it.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Bills round times up to this, as Cloud Functions and Cloud Run do.
pub const BILLED_STEP: Duration = Duration::from_millis(100);

/// How often changed ledgers are written.
pub const LEDGER_PERIOD: Duration = Duration::from_secs(15);

/// The ledgers' labels: the month, and the namespace whose revisions it lists.
pub const LEDGER_MONTH: &str = "rouse.dev/usage-month";
pub const LEDGER_NAMESPACE: &str = "rouse.dev/usage-namespace";

/// What the requests of one revision used. An activator's counts are cumulative since its epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Served {
    /// Requests that a pod was given.
    pub requests: u64,
    /// Sum of the seconds that each was in a pod.
    pub request_seconds: f64,
    /// The same, with each request's time rounded up to [`BILLED_STEP`].
    pub rounded_request_seconds: f64,
    /// Sum over pods of the seconds in which a pod had at least one request. Several activators that
    /// share a pod count its seconds each.
    pub busy_seconds: f64,
    /// The same, with each pod's busy span rounded up to [`BILLED_STEP`].
    pub rounded_busy_seconds: f64,
    /// Bytes of answers' bodies.
    pub sent_bytes: u64,
}

impl Served {
    /// What was used after `earlier`, by counts of the same epoch.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let seconds = |now: f64, then: f64| (now - then).max(0.0);
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            request_seconds: seconds(self.request_seconds, earlier.request_seconds),
            rounded_request_seconds: seconds(
                self.rounded_request_seconds,
                earlier.rounded_request_seconds,
            ),
            busy_seconds: seconds(self.busy_seconds, earlier.busy_seconds),
            rounded_busy_seconds: seconds(self.rounded_busy_seconds, earlier.rounded_busy_seconds),
            sent_bytes: self.sent_bytes.saturating_sub(earlier.sent_bytes),
        }
    }

    pub fn add(&mut self, more: &Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.request_seconds += more.request_seconds;
        self.rounded_request_seconds += more.rounded_request_seconds;
        self.busy_seconds += more.busy_seconds;
        self.rounded_busy_seconds += more.rounded_busy_seconds;
        self.sent_bytes = self.sent_bytes.saturating_add(more.sent_bytes);
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How long the pods of one revision existed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Existed {
    /// Pods that were started.
    pub starts: u64,
    /// Sum over pods of the seconds from their start to their end.
    pub instance_seconds: f64,
    /// The part of it before they were ready.
    pub starting_seconds: f64,
}

impl Existed {
    pub fn add(&mut self, more: &Self) {
        self.starts = self.starts.saturating_add(more.starts);
        self.instance_seconds += more.instance_seconds;
        self.starting_seconds += more.starting_seconds;
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The size of one instance: the limits of all its containers, else their requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Instance {
    /// None if the manifest names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub gpus: u32,
    /// Instances that are kept when there is no load.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_scale: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A revision's row of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    #[serde(default)]
    pub service: String,
    pub since: Time,
    pub until: Time,
    #[serde(default)]
    pub instance: Instance,
    #[serde(flatten)]
    pub served: Served,
    #[serde(flatten)]
    pub existed: Existed,
}

/// The month of a ledger, such as `2026-11`.
#[must_use]
pub fn month(time: Timestamp) -> String {
    time.strftime("%Y-%m").to_string()
}

/// The name of a ledger.
#[must_use]
pub fn ledger(namespace: &str, month: &str) -> String {
    format!("usage.{namespace}.{month}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_counts_is_never_negative_and_adds_up() {
        let first = Served {
            requests: 3,
            request_seconds: 1.5,
            rounded_request_seconds: 1.6,
            busy_seconds: 1.0,
            rounded_busy_seconds: 1.1,
            sent_bytes: 10,
        };
        let mut second = first;
        second.add(&first);
        assert_eq!(second.since(&first), first);
        assert!(first.since(&second).is_nothing(), "of another epoch");
    }

    #[test]
    fn a_row_is_one_flat_object_and_reads_back() {
        let at = |text: &str| Time(text.parse().unwrap());
        let row = Usage {
            service: "hello".to_owned(),
            since: at("2026-11-01T00:00:00Z"),
            until: at("2026-11-02T00:00:00Z"),
            instance: Instance {
                vcpu: Some(0.5),
                memory_bytes: Some(1 << 29),
                ..Default::default()
            },
            served: Served { requests: 2, ..Served::default() },
            existed: Existed { starts: 1, ..Existed::default() },
        };
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains(r#""requests":2"#) && text.contains(r#""starts":1"#), "{text}");
        assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), row);
        let short = r#"{"since":"2026-11-01T00:00:00Z","until":"2026-11-01T00:00:00Z"}"#;
        assert_eq!(serde_json::from_str::<Usage>(short).unwrap().served.requests, 0);
    }

    #[test]
    fn months_are_of_utc() {
        assert_eq!(month("2026-11-30T23:59:59.9Z".parse().unwrap()), "2026-11");
        assert_eq!(ledger("shop", "2026-12"), "usage.shop.2026-12");
    }
}

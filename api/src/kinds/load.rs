//! Load reports from activators to autoscalers.
//!
//! Numbers are cumulative since the activator's epoch, so that a lost report, a reconnection or a
//! second reader cannot distort what is computed from any two of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::usage::Served;

/// One activator's load at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Name of the activator (of its pod, on a cluster).
    pub activator: String,
    /// Start of this activator's counting; another epoch starts from zero.
    pub epoch: u64,
    /// Grows by one with each report of an epoch.
    pub sequence: u64,
    /// Seconds since the epoch began, by the activator's monotonic clock.
    pub elapsed: f64,
    /// Revisions that changed since the last report, and once a second all with load.
    pub revisions: Vec<RevisionLoad>,
}

/// The load of one revision at one activator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionLoad {
    pub namespace: String,
    pub revision: String,
    /// Sum over all requests of their seconds at the activator, waiting included: an integral of
    /// `in_flight + queued` over time.
    pub in_flight_seconds: f64,
    /// Requests received.
    pub arrivals: u64,
    /// Requests now in a pod.
    pub in_flight: u32,
    /// Requests now waiting for one.
    pub queued: u32,
    /// Requests in flight in each pod that gets new requests and has some. A pod that is neither
    /// here nor in `draining` has none. Absent if there are too many pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<BTreeMap<String, u32>>,
    /// For each pod marked as draining: requests still in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub draining: BTreeMap<String, u32>,
    /// What its requests used.
    #[serde(default)]
    pub served: Served,
}

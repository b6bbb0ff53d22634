//! The settings of a Revision that concern its requests.

use std::sync::Arc;
use std::time::Duration;

/// Requests that may wait for one revision unless it says otherwise; the queue depth of Knative's
/// activator.
pub(crate) const QUEUE_LIMIT: usize = 10_000;

/// The settings of one revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// `containerConcurrency`; 0 is no limit.
    pub(crate) concurrency: u32,
    pub(crate) queue_limit: usize,
    pub(crate) limits: Limits,
    pub(crate) protocol: Protocol,
    /// The Service and the Configuration that it belongs to; empty if it belongs to none.
    pub(crate) service: Arc<str>,
    pub(crate) configuration: Arc<str>,
    /// Why the revision is not ready, if it says so.
    pub(crate) trouble: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let total = Duration::from_secs(300);
        Self {
            concurrency: 0,
            queue_limit: QUEUE_LIMIT,
            limits: Limits { total, response_start: None, idle: None },
            protocol: Protocol::Http1,
            service: Arc::default(),
            configuration: Arc::default(),
            trouble: None,
        }
    }
}

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) total: Duration,
    pub(crate) response_start: Option<Duration>,
    pub(crate) idle: Option<Duration>,
}

/// The protocol of the container, by its port's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    H2c,
}

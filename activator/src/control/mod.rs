//! The control side: watches, probes, the published tables, and the load reports.

pub(crate) mod certificates;
pub(crate) mod change;
pub(crate) mod directory;
pub(crate) mod issuers;
pub(crate) mod key_fetch;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod probe;
pub(crate) mod registry;
pub(crate) mod reporter;
pub(crate) mod request_log;
pub(crate) mod shared;
pub(crate) mod watch;

//! The cluster as it is known here: a local copy per kind, kept by a watch, and whom its changes wake.

pub(crate) mod queue;
pub(crate) mod queue_metrics;
pub(crate) mod queues;
pub(crate) mod stores;
pub(crate) mod watch;

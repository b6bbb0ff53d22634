//! Local copies of objects, one per kind, kept by a watch, and the reconcilers that changes wake.

pub(crate) mod queue;
pub(crate) mod queue_metrics;
pub(crate) mod queues;
pub(crate) mod stores;
pub(crate) mod watch;

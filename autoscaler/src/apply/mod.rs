//! One task for each revision, and its writes to the cluster.

pub(crate) mod about;
pub(crate) mod accounts;
pub(crate) mod counters;
pub(crate) mod expose;
pub(crate) mod multiscaler;
mod unit;
pub(crate) mod write;

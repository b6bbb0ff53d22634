//! One task for each revision, and what it writes.

pub(crate) mod about;
pub(crate) mod counters;
pub(crate) mod expose;
pub(crate) mod multiscaler;
mod unit;
pub(crate) mod write;

//! One task for each revision, and what it writes.

pub(crate) mod multiscaler;
pub(crate) mod write;

//! Admission of requests: slots, queue and counts of each revision.

pub(crate) mod balance;
pub(crate) mod counts;
pub(crate) mod error;
pub(crate) mod home;
pub(crate) mod queue;
pub(crate) mod report;
pub(crate) mod revision;

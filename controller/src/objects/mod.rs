//! Helpers that all kinds share: readers of objects, and fields written to several kinds. Pure.

pub(crate) mod children;
pub(crate) mod gateway;
pub(crate) mod meta;
pub(crate) mod revisions;
pub(crate) mod routing;
pub(crate) mod routing_state;

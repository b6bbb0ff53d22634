//! Vocabulary of all kinds: how objects are read, and what is written to several of them. Pure.

pub(crate) mod children;
pub(crate) mod gateway;
pub(crate) mod meta;
pub(crate) mod revisions;
pub(crate) mod routing;
pub(crate) mod routing_state;

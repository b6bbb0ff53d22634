//! Immutable facts: settings of revisions, pods, and the routing table. Nothing here depends on
//! load.

pub(crate) mod keys;
pub(crate) mod objects;
pub(crate) mod pod;
pub(crate) mod readiness;
pub(crate) mod routes;
pub(crate) mod schedule;
pub(crate) mod settings;

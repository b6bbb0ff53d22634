//! The entry of requests: listeners, data threads, and the handling of a request.

mod callers;
pub(crate) mod capacity;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod handle;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod thread;
pub(crate) mod tls;
pub(crate) mod wait;
pub(crate) mod worker;

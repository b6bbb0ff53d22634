//! The data plane: the one hop from client to pod.
//!
//! ```text
//! client --> listener --> route table --> home (slots, queue) --> pool --> pod
//!                              ^               ^
//!              Routes, DomainMappings     Revisions, Pods, probes        (control.rs)
//! ```
//!
//! Requests run on data threads of their own, one current-thread runtime each (`serve.rs`,
//! `handle.rs`). What they look at is made on the caller's runtime (`watch.rs`, `control.rs`) and
//! handed over as immutable tables. Load goes out as cumulative reports (`load.rs`).
//!
//! Invariant: status codes of our own originate in `error.rs` alone; every count is a guard.

mod balance;
mod body;
mod config;
mod control;
mod copy;
mod error;
mod facts;
mod forward;
mod handle;
mod headers;
mod home;
mod listen;
mod load;
mod pods;
mod pool;
mod probe;
mod queue;
mod revision;
mod route_table;
mod schedule;
mod serve;
mod start;
mod timeout;
mod watch;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use listen::{ListenError, Reserved};
pub use start::{Handle, Stats, start};

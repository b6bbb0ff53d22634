//! The data plane: the one hop from client to pod.
//!
//! ```text
//! client --> listener --> route table --> home (slots, queue) --> pool --> pod
//!                              ^               ^
//!              Routes, DomainMappings     Revisions, Pods, probes     (control/directory.rs)
//! ```
//!
//! Layers, each using only those below it:
//!
//! | folder       | holds                                                                       |
//! |--------------|-----------------------------------------------------------------------------|
//! | `start.rs`   | composes the rest; the handle of a running activator                        |
//! | `edge/`      | listeners, data threads, handling of a request (`handle.rs`), its errors    |
//! | `transport/` | carrying a request to a pod and its answer back: headers, bodies, timeouts  |
//! | `control/`   | watches, probes, the published tables, load reports                         |
//! | `admission/` | slots, queue and counts of each revision                                    |
//! | `observe/`   | records of requests: counters, lines of the request log, spans              |
//! | `state/`     | settings of revisions, pods, the routing table                              |
//! | `callers/`   | who may call a host: its rule, tokens, keys, the decision                   |
//!
//! Requests run on data threads of their own, one current-thread runtime each. The tables that they
//! read are made on the caller's runtime (`control/`) and are immutable. Load goes out as
//! cumulative reports.
//!
//! Invariant: the gateway's own status codes originate in `edge/error.rs` alone; every count is
//! undone on drop.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod config;
mod start;

mod admission;
mod callers;
mod control;
mod edge;
mod observe;
mod state;
mod transport;

pub use config::{Config, Https};
pub use control::certificates::Issue;
pub use control::request_log::Sink;
pub use edge::listen::{ListenError, Reserved};
pub use start::{Handle, Stats, start};

//! Requests through real sockets on loopback: clients, an activator, and small servers as pods.
//!
//! The activator is started as its callers start it, with a client of a small API that holds
//! Routes, Revisions and Pods; tests write objects there and send requests.

#![expect(clippy::disallowed_methods, reason = "a double ends with its test")]

mod api;
mod balance;
mod callers;
mod domain;
mod drained;
mod failure;
mod files;
mod framing;
mod fuzz;
mod harness;
mod hold;
mod hostile;
mod observe;
mod pass;
mod raw;
mod tls;
mod watch;

//! Requests through real sockets on loopback: clients, an activator, and small servers as pods.
//!
//! There is no Kubernetes here: tests say themselves which routes, revisions and pods there are.

mod balance;
mod domain;
mod failure;
mod harness;
mod hold;
mod kubernetes;
mod pass;

//! The node agent: runs the pods that are bound to this machine.
//!
//! It meets the cluster through the API like any kubelet and answers the kubelet's paths
//! ([`Node::kubelet`]).
//!
//! ```text
//! agent     the node: registration, takeover, a worker per pod, the kubelet's paths
//! worker    does what one pod asks for: launches, probes, signals, status writes
//! pod       decides it: one pod as a state machine. Pure
//! runtime   the container runtimes: docker, process, fake
//! logs      the logs of containers
//! images    images that are here, or to be pulled
//! traffic   whoever sends requests to pods, asked before one ends
//! spec      what a pod's spec asks for: variables, volumes, ports, security. Pure
//! ```
//!
//! Invariant: nothing of the embedded cluster's insides is known here.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod agent;
mod images;
pub mod logs;
mod pod;
pub mod runtime;
mod spec;
#[cfg(test)]
mod testing;
mod traffic;
mod worker;

pub use agent::{Body, BoxError, KubeletService, Node};
pub use images::{ImageError, Images, LocalImage, StoreImages};
pub use spec::Security;
pub use traffic::{NoTraffic, Traffic};
pub use worker::Config;

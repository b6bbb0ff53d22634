//! The node agent: runs the pods that are bound to this machine.
//!
//! It uses the cluster's API like any kubelet, and serves the kubelet's API ([`Node::kubelet`]).
//!
//! ```text
//! agent     the node: registration, takeover, a worker per pod, the kubelet's API
//! worker    performs one pod's effects: launches, probes, signals, status writes
//! pod       the decisions: one pod as a state machine. Pure
//! runtime   the container runtimes: docker, process, fake
//! logs      the logs of containers
//! images    images that are here, or to be pulled
//! traffic   the sender of requests, asked to drain a pod before it ends
//! spec      readers of a pod's spec: variables, volumes, ports, security. Pure
//! ```
//!
//! Invariant: this crate does not depend on the embedded cluster.

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

pub use agent::{Body, BoxError, ContainerSample, KubeletService, Node, PodSample, PodUsages};
pub use images::{ImageError, Images, LocalImage, StoreImages};
pub use spec::Security;
pub use traffic::{NoTraffic, Traffic};
pub use worker::{ApiAccess, Config};

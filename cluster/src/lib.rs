//! The embedded Kubernetes: API server, built-in controllers, scheduler.
//!
//! [`Cluster`] is all of it. In one process [`Cluster::client`] talks to it without a socket; over
//! [`Cluster::serve`] real kubectl does.
//!
//! Invariant: nothing of Knative is known here. Any CRD is served, and any operator would run.

pub mod admission;
pub mod builtin;
mod cluster;
pub mod http;
pub mod identity;
pub mod kinds;
pub mod openapi;
pub mod patch;
pub mod registry;
pub mod schema;
mod selector;
pub mod status;
pub mod store;
pub mod table;

pub use cluster::{Cluster, Config, KubeletService, OpenError, Storage};

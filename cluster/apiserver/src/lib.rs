//! The embedded Kubernetes' API server.
//!
//! [`Cluster`] is the state and its API. [`Cluster::client`] talks to it in the process, without a socket;
//! [`Cluster::serve`] serves it to kubectl and other clients.
//!
//! Invariant: any CRD is served, and any operator would run. Nothing here depends on Knative, but that `create` makes
//! the namespaces of manifests that Cloud Run exports.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

pub mod admission;
mod cluster;
mod compact;
pub mod http;
pub mod identity;
mod observe;
pub mod registry;
pub mod status;
mod tokens;

use rouse_schema::{kinds, managed, openapi, patch, selector, structure, table};

/// The store under the API, as the controllers beside it use it.
pub mod store {
    pub use rouse_store::{
        Change, Conflict, Error, Event, Expired, Key, Object, Owner, Prepared, Recovery, Store,
        Unwritable, Watch, recover,
    };
}

pub use cluster::{Cluster, Config, OpenError, Storage};
pub use http::{KubeletService, yaml_options};
pub use tokens::TokenKey;

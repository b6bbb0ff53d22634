//! The embedded Kubernetes' API server.
//!
//! [`Cluster`] is the state and its API. In one process [`Cluster::client`] talks to it without a socket; over
//! [`Cluster::serve`] real kubectl does.
//!
//! Invariant: nothing of Knative is known here. Any CRD is served, and any operator would run.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

pub mod admission;
mod cluster;
mod compact;
pub mod http;
pub mod identity;
mod observe;
pub mod registry;
pub mod status;

use rouse_schema::{kinds, openapi, patch, selector, structure, table};

/// The store under the API, as the controllers beside it use it.
pub mod store {
    pub use rouse_store::{
        Change, Conflict, Error, Event, Expired, Key, Object, Owner, Prepared, Recovery, Store,
        Unwritable, Watch, recover,
    };
}

pub use cluster::{Cluster, Config, OpenError, Storage};
pub use http::KubeletService;

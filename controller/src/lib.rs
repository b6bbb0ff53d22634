//! Objects -> objects: the reconcilers of Knative Serving, and its admission.
//!
//! They share only objects with activators and autoscalers, and ask activators one question: which
//! version of the routing they serve ([`Activators`]).
//!
//! Layers, each using those below it:
//!
//! | module | content |
//! |---|---|
//! | `run` | starts everything |
//! | `service`, `configuration`, `gc`, `revision`, `route`, `domainmapping` | one reconciler each: observe, decide (pure), status |
//! | `reconciler` | the loop around every reconciler |
//! | `lookups` | lookups that take time: image digests, the routing version that activators serve |
//! | `watched` | local copies of objects, and the reconcilers that their changes wake |
//! | `objects` | helpers that all kinds share, pure |
//!
//! [`admission`] stands beside them.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

pub mod admission;
mod configuration;
mod domainmapping;
mod gc;
mod lookups;
mod objects;
mod reconciler;
mod revision;
mod route;
mod run;
mod service;
#[cfg(test)]
mod testing;
mod watched;

pub use lookups::images::{Asking, Images, NotPinned};
pub use lookups::served::{Activators, NotServed, Routed};
pub use run::{Config, Settings, start};

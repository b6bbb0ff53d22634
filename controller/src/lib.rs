//! Objects -> objects: the reconcilers of Knative Serving, and its admission.
//!
//! They meet activators and autoscalers only through objects, and ask activators one question: how
//! far they are ([`Activators`]).
//!
//! Layers, each using those below it:
//!
//! | module | what it holds |
//! |---|---|
//! | `run` | starts everything |
//! | `service`, `configuration`, `gc`, `revision`, `route`, `domainmapping` | one reconciler each: observe, decide (pure), status |
//! | `reconciler` | the loop around every reconciler |
//! | `lookups` | questions whose answers are waited for: image digests, how far activators are |
//! | `watched` | local copies, and whom their changes wake |
//! | `objects` | vocabulary of all kinds, pure |
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

pub use lookups::images::Images;
pub use lookups::served::{Activators, NotServed, Routed};
pub use run::{Config, Settings, start};

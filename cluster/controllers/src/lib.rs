//! The built-in controllers and the scheduler: Deployment, ReplicaSet, endpoints, namespaces, owner
//! garbage collection.
//!
//! Each group of controllers is a task that follows the store's changes. A change names objects to
//! look at; a pass looks at them in the order below, and what a step writes is looked at in the same
//! pass. So from a scale write to a pod on a node there are function calls and ordered writes;
//! statuses and Events, for which nobody waits, come last.
//!
//! ```text
//! workloads           Deployment -> ReplicaSet -> pod on a node -> statuses
//! endpoints           Endpoints and EndpointSlices
//! garbage-collection  objects whose owners are gone
//! namespaces          what each begins with, and how it ends
//! ```
//!
//! A step that panics or is refused is set aside and tried again after a pause; its neighbours go on.
//! All writes go through `Registry::write`, as those of a trusted actor.
//!
//! Layers, top to bottom: `run` (tasks), `pass` and `changes` (a group's work), the controllers,
//! `objects` (reading and writing).
//!
//! Invariant: a step decides by the store as it is, never by the event that named the object.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod adopt;
mod changes;
mod deployment;
mod endpoints;
mod failures;
mod feed;
mod gc;
mod graph;
mod metrics;
mod namespace;
mod objects;
mod pass;
mod recorder;
mod replicaset;
mod run;
mod scheduler;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod work;

pub use self::run::{Config, start};

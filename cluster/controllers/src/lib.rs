//! The built-in controllers and the scheduler: Deployment, ReplicaSet, HorizontalPodAutoscaler,
//! endpoints, namespaces, owner garbage collection.
//!
//! Each group of controllers is a task that follows the store's changes. A change queues work; a
//! pass does it in the order below, and the work that a step's writes cause is done in the same
//! pass. So from a scale write to a pod on a node there are function calls and ordered writes;
//! statuses and Events come last.
//!
//! ```text
//! workloads           Deployment -> ReplicaSet -> pod on a node -> statuses
//! autoscaling         the replicas of Deployments by their pods' CPU and memory
//! endpoints           Endpoints and EndpointSlices
//! garbage-collection  objects whose owners are gone
//! namespaces          the first objects of a namespace, and its deletion
//! ```
//!
//! A step that panics or is refused is retried after a pause; other work goes on.
//! All writes go through `Registry::write`, as those of a trusted actor.
//!
//! Layers, top to bottom: `run` (tasks), `pass` and `changes` (a group's work), the controllers,
//! `objects` (reading and writing).
//!
//! Invariant: a step decides by the current store, never by the event that queued it.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod adopt;
mod autoscaling;
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

pub use self::autoscaling::{ContainerUsage, PodMetrics, PodUsage};
pub use self::run::{Config, start};

//! The runtime of a component. Generic over kinds: knows no kind of Knative's or of Rouse's.
//!
//! ```text
//! component   what a component is given: tasks, health, metrics, clock, shutdown
//! observe     metrics, debug pages, the admin port, logs
//! life        clock, shutdown, tasks, panics, health
//! ```
//!
//! Beside them, for reconcilers: plans and how they are applied, Events, live configuration, mirrors of
//! kinds; certificates; pull secrets; documents of others; and for the process: its
//! limit of open files, its memory.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod component;
mod life;
pub mod observe;

pub mod address;
pub mod apply;
pub mod certificates;
pub mod events;
pub mod fetch;
pub mod files;
pub mod live;
pub mod memory;
pub mod mirror;
pub mod plan;
pub mod pull_secrets;
mod usage;

pub use address::AddressResolver;
pub use apply::{Applier, ApplyError};
pub use component::{Component, Process};
pub use events::{Events, Notice};
pub use fetch::Fetch;
pub use life::{
    Clock, Health, Ledger, Moment, Part, PartReport, Policy, Shutdown, Task, TaskError, TaskKind,
    TaskReport, Tasks, panics,
};
pub use live::Live;
pub use mirror::Mirror;
pub use observe::{Admin, Debug, Metrics, Traces, admin, telemetry, traces};
pub use plan::Plan;
pub use rouse_k8s::{Quantity, quantity};

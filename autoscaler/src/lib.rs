//! From load to scale: windows, the KPA decision, scale to zero, the wake.
//!
//! Layers, each using those below it:
//!
//! | module | contents |
//! |---|---|
//! | `run` | starts everything |
//! | `observe` | PodAutoscalers, Pods, Deployments and settings, watched and given to the revisions |
//! | `hpa` | the class hpa: a HorizontalPodAutoscaler does the scaling |
//! | `apply` | a task for each revision, and its writes |
//! | [`revision`] | the state of one revision, and its next step |
//! | [`decide`] | the KPA decision, bounds, drain, status |
//! | [`load`] | reports and windows |
//! | `usage` | what revisions used, by month |
//!
//! The lower four are pure and take the time as a parameter, so that the same code runs against a
//! virtual clock.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod apply;
pub mod decide;
mod hpa;
pub mod load;
mod observe;
pub mod revision;
mod run;
mod usage;

pub use run::start;

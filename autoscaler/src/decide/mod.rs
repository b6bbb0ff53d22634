//! Decisions, all pure: from load and pods to a scale, the pods to take away, and the status.
//!
//! ```text
//! spec -> kpa -> delay -> scale -> drain -> explain, status
//! ```

pub mod delay;
pub mod drain;
pub(crate) mod explain;
pub mod kpa;
pub mod scale;
pub mod spec;
pub mod status;

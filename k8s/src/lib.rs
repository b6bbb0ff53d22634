//! Functions on Kubernetes objects: their values, names, metadata, conditions, and pods.
//!
//! Pure: no IO, no async; the caller passes the time and random bytes. Knows no kind of Knative's.
//! Nothing panics, whatever an object contains: numbers saturate or are refused.
//!
//! Layers, top to bottom:
//!
//! - [`pod`], [`template`]: readers of Pods, and of the pod templates that they are made from
//! - [`object`], [`condition`], [`labels`]: what all kinds share: key, owner, conditions, selection
//! - [`names`], [`form`], [`hash`], [`keys`]: how objects and their parts are named
//! - [`compiled`]: readers of kinds, for the crates above
//! - [`quantity`], [`duration`], [`int_or_percent`], [`time`], [`backoff`]: values

pub mod backoff;
pub mod compiled;
pub mod condition;
pub mod duration;
pub mod form;
pub mod hash;
pub mod int_or_percent;
pub mod keys;
pub mod labels;
pub mod names;
pub mod object;
pub mod pod;
pub mod quantity;
pub mod template;
pub mod time;

pub use backoff::Backoff;
pub use duration::GoDuration;
pub use object::ObjectKey;
pub use quantity::Quantity;

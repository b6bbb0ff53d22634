//! Lookups in registries and activators. Reconcilers observe their state; a plan requests a lookup,
//! and its answer wakes the reconciler.

mod answered;
pub(crate) mod images;
pub(crate) mod served;

pub(crate) use answered::Answered;

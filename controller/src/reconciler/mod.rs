//! The loop around every reconciler: observe, decide, apply, and what follows from failure.

mod failures;
mod kind;
mod pass;

pub(crate) use self::kind::{NoLookup, Planned, Reconciler};
pub(crate) use self::pass::{Passes, run};

//! The loop around every reconciler: observe, decide, apply, retry after failures.

mod failures;
mod kind;
mod pass;

pub(crate) use self::kind::{NoLookup, Planned, Reconciler};
#[cfg(test)]
pub(crate) use self::pass::decide;
pub(crate) use self::pass::{Passes, run};

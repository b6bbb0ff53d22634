//! Managed fields and server-side apply: which client set which field, and what follows from it.
//!
//! ```text
//! update, apply   entries after a write; the object that an apply makes
//! entries         `metadata.managedFields`, decoded and encoded
//! prune           what an applier no longer lists goes
//! compare, contents, merge, remove, reconcile, check    walks of values by their schema
//! shape           how a schema divides a value: leaves, maps, lists of keyed items, sets
//! set, element    sets of fields, and their encoding `FieldsV1`
//! ```
//!
//! Everything is linear in the sizes of the objects but for the logarithm of ordered maps.
//!
//! Upstream: `sigs.k8s.io/structured-merge-diff`, `k8s.io/apimachinery/pkg/util/managedfields`.

mod apply;
mod check;
mod compare;
mod contents;
mod element;
mod entries;
mod error;
mod merge;
mod prune;
mod reconcile;
mod remove;
mod set;
mod shape;
#[cfg(test)]
mod tests;
mod times;
mod update;
mod write;

pub use self::apply::apply;
pub use self::entries::is_applied;
pub use self::error::{Conflict, Error};
pub use self::times::same_but_times;
pub use self::update::update;
pub use self::write::{Scope, Write};

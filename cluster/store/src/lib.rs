//! The store: objects in memory, and redb as their durable form.
//!
//! Under one lock a write is checked, numbered and applied; one thread makes the queued writes
//! durable, in order. Watchers in the process see a write when it is ordered ([`Watch::next`]);
//! responses to API clients wait until it is durable ([`Store::durable`]), and API clients read
//! durable state alone ([`Store::list_shown`]).
//!
//! Invariant: a version is given out once, grows with every change of any object, and goes on after
//! a restart.
//!
//! Layers, top to bottom:
//!
//! - `store`: all objects under one lock; its readers and watchers
//! - `recover`: recovery of a damaged state file
//! - `writer`, `durable`: the writer thread and the state file
//! - `rows`: an object as the file holds it
//! - `ring`: the last changes of a resource
//! - `object`, `head`: one object, and the reader of its header

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod durable;
mod head;
mod object;
mod recover;
mod ring;
mod rows;
mod store;
#[cfg(test)]
mod testing;
mod writer;

pub use self::durable::Error;
pub use self::object::{Key, Object, Owner, Prepared};
pub use self::recover::{Recovery, recover};
pub use self::ring::{Change, Event, Expired};
pub use self::store::{Conflict, Listed, Store, Unwritable, Watch};
pub use self::writer::Commit;

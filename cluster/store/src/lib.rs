//! The store: memory is what is read, redb is its durable form.
//!
//! Under one lock a write is checked, numbered and applied; one thread makes what has gathered
//! durable, in order. Watchers in the process see a write when it is ordered ([`Watch::next`]);
//! answers and sockets wait until it is durable ([`Store::durable`]), and readers outside see what is
//! ([`Store::list_shown`]).
//!
//! Invariant: a version is given out once, grows with every change of any object, and goes on after
//! a restart.
//!
//! Layers, top to bottom:
//!
//! - `store`: all objects under one lock; its readers and watchers
//! - `recover`: a damaged file made a whole one again
//! - `writer`, `durable`: the thread and the file that keep them
//! - `rows`: an object as the file holds it
//! - `ring`: the last changes of a resource
//! - `object`, `head`: one object, and the header that is read of it

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

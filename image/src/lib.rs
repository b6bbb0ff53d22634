//! OCI images: what they are called, where they are kept, how they come here and how they are made.
//!
//! A [`Store`] is an OCI image layout on disk with every image also unpacked beside it, so that
//! starting a pod reads nothing but files that are already there. Images come into it by
//! [`Store::pull`] (from a registry) or [`build::build`] (from a folder or an executable).
//!
//! Invariant: a manifest is in the store only when everything that it names is.
//! Deliberately absent: Kubernetes, and any garbage collection: what a user built stays.

pub mod archive;
pub mod build;
mod config;
mod digest;
mod error;
mod in_place;
mod index;
mod reference;
mod registry;
mod reuse;
mod rootfs;
mod store;
mod unpack;

pub use crate::config::{Image, LABEL_HOST_PROGRAM, LABEL_HOST_PYTHON, Layer};
pub use crate::digest::Digest;
pub use crate::error::Error;
pub use crate::in_place::{InPlace, Overrides, command_in_place};
pub use crate::reference::Reference;
pub use crate::registry::{RegistryOptions, Resolved};
pub use crate::rootfs::resolve_in_rootfs;
pub use crate::store::{Listed, Origin, Store};

use std::sync::Arc;

/// What a pull or a build says while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins; a sentence without a full stop, for people.
    Step(String),
    /// A layer is `done` of `total` bytes far.
    Layer { digest: Digest, done: u64, total: u64 },
    /// A layer was there already and is used again.
    Reused { digest: Digest, what: String },
}

/// Receives [`Progress`]; called from any thread, must not block for long.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// A progress function for callers who do not look.
pub fn silent() -> ProgressFn {
    Arc::new(|_| {})
}

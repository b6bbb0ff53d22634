//! OCI images: references, the local store, pulls from registries, builds from source.
//!
//! A [`Store`] is an OCI image layout on disk with every image also unpacked beside it, so that
//! starting a pod reads nothing but files that are already there. Images come into it by
//! [`Store::pull`] (from a registry), [`Store::import`] (from an archive), from the local Docker engine
//! when a name is resolved, or [`Store::build`] (from a folder or an executable).
//!
//! Layers, top to bottom:
//!
//! - `sources`: how images come into the store: registries, archives, the Docker engine, builds
//! - `running`: an image as a command for this host, or as a stream for Docker
//! - `store`: names, blobs and unpacked images in one folder
//! - `files`: paths, programs and libraries of an unpacked image
//! - `progress`, `formats`: progress reports; digests, references, documents, errors
//!
//! Invariant: a manifest is in the store only when every blob that it names is.
//! Deliberately absent: Kubernetes. What refers to an image is told by the caller, who also decides
//! when images that nothing refers to go ([`unneeded`], [`Store::discard`]).

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a double ends with its test"))]

mod files;
mod formats;
mod progress;
mod running;
mod sources;
mod store;

pub use files::paths::resolve_in_rootfs;
pub use formats::bound::Bound;
pub use formats::config::{Image, LABEL_HOST_PROGRAM, LABEL_HOST_PYTHON, Layer};
pub use formats::digest::{Digest, NotADigest};
pub use formats::error::Error;
pub use formats::logins::Logins;
pub use formats::reference::{Reference, familiar};
pub use formats::registries::Registries;
pub use progress::{Progress, ProgressFn, silent};
pub use running::in_place::{InPlace, Overrides, command_in_place};
pub use sources::archive::Imported;
pub use sources::build;
pub use sources::registry::Resolved;
pub use store::{
    Grace, Held, Listed, Origin, RegistryOptions, Rule, Store, is_read_only, set_read_only,
    unneeded,
};

//! Images on their way into the store: from a registry, or built from a folder or an executable.

pub mod build;
mod distribution;
pub(crate) mod registry;

//! Sources of images: registries, and builds from a folder or an executable.

pub mod build;
mod distribution;
pub(crate) mod registry;

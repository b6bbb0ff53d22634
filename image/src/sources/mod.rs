//! Sources of images: registries, the local Docker engine, archives, and builds from a folder or an executable.

pub(crate) mod archive;
pub mod build;
mod distribution;
mod engine;
pub(crate) mod registry;

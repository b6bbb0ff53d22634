//! Names and documents of images: digests, references, manifests, and what can be wrong with them.

pub(crate) mod bound;
pub(crate) mod config;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod reference;

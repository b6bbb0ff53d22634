//! Names and documents of images: digests, references, manifests, limits, errors.

pub(crate) mod bound;
pub(crate) mod config;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod logins;
pub(crate) mod reference;
pub(crate) mod registries;

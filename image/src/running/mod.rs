//! An image as a command for this host, or as a stream for Docker.

pub(crate) mod archive;
pub(crate) mod in_place;

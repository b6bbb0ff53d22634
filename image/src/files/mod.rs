//! Files of an unpacked image, and of this machine: paths, programs and their libraries.

pub(crate) mod elf;
pub(crate) mod libraries;
pub(crate) mod paths;
pub(crate) mod program;

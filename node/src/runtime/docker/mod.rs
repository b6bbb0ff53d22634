//! Pods as containers of a Docker Engine: one per container, labelled with the data directory.
//!
//! Where the engine's bridge is a network of this host, a pod is reached at its own address;
//! elsewhere (Docker Desktop) its ports are published on loopback and the pod's address says where.
//! Limits are the engine's, so they are the kernel's.

mod container;
mod end;
mod engine;
mod images;
mod runtime;
mod sandbox;
mod usage;
mod wait;

pub(super) use end::end_instance;
pub use images::{forget_images, forget_sandbox};
pub use runtime::{CAPABILITIES, DockerRuntime};

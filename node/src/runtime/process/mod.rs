//! Pods as processes of this host, in its network, without any privilege.
//!
//! A container is a session of its own: everything that its program starts ends with it. All are
//! children of the `guard`'s one thread (`starter`, called by `spawn` over `line`) and die with it, as the
//! guard does with the platform, whatever ends that; their own children are ended by the guard, and
//! by the next start at the latest (`survivors`). `PORT` names a free port, which is in the pod's
//! address annotation.
//!
//! A program's writes to its image go to a folder of the container, mounted in the child (`view`) and
//! removed with the container (`layers`).
//!
//! Volumes are mounted in the child too (`mounts`), where the host allows a mount namespace.
//!
//! Enforced: the memory limit, by watching resident memory. Not enforced: CPU, users, a file system of
//! its own. The pod's Events say so.

mod check;
mod command;
mod exit;
mod layers;
mod line;
mod memory;
mod mounts;
mod ports;
mod running;
mod runtime;
mod session;
mod spawn;
mod starter;
mod survivors;
mod view;
mod wire;

pub use check::check_views;
pub use runtime::{CAPABILITIES, ProcessRuntime};
pub(super) use starter::serve;
pub(super) use survivors::end_instance;

//! Pods as processes of this host, in its network, without any privilege.
//!
//! A container is a session of its own: everything that its program starts ends with it. All are
//! children of the `guard`'s one thread (`starter`, asked by `spawn` and `line`) and die with it, as it does
//! with the platform, whatever ends that; what they started in turn is ended by the guard, and by
//! the next start at the latest (`survivors`). `PORT` names a free port, and the pod's address says
//! where it is.
//!
//! What a program writes over its image goes to a folder of the container's, mounted in the child
//! (`view`), and goes with it (`layers`).
//!
//! What is enforced: the memory limit, by watching resident memory. What is not: CPU, users,
//! volumes, a file system of its own. The pod says so.

mod command;
mod exit;
mod layers;
mod line;
mod memory;
mod ports;
mod running;
mod runtime;
mod session;
mod spawn;
mod starter;
mod survivors;
mod view;
mod wire;

pub use runtime::ProcessRuntime;
pub(super) use starter::serve;
pub(super) use survivors::end_instance;

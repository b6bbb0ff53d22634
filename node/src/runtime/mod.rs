//! The container runtimes: the trait that the agent uses, its implementations, and the choice for a
//! machine.

mod choose;
mod detached;
pub mod docker;
pub mod fake;
mod guard;
mod guard_main;
mod instance;
mod interface;
mod proc;
pub mod process;
mod unmet;

pub use choose::{Chosen, Wanted, choose};
pub use futures::future::BoxFuture;
pub use guard_main::run as run_guard;
pub use interface::{
    Capabilities, ContainerRuntime, ContainerSpec, Error, Exit, NO_MOUNTS, Signal, Started, Usage,
};

pub use unmet::Unmet;

pub use crate::spec::{Automount, Mount, PodRef};

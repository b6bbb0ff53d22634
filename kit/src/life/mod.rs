//! Life and end of a component: time, shutdown, tasks, health.

mod clock;
mod health;
mod ledger;
pub mod panics;
mod shutdown;
mod tasks;

pub use clock::{Clock, Moment};
pub use health::{Health, Part, PartReport};
pub use ledger::{Ledger, Policy, TaskReport};
pub use shutdown::Shutdown;
pub use tasks::{Task, TaskError, TaskKind, Tasks};

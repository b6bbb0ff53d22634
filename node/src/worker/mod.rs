//! A pod's worker: does what the state machine of its pod asks for.

mod address;
mod effects;
mod launch;
mod listening;
mod prober;
mod probes;
mod run;
mod shared;
mod sources;
mod status;
mod volumes;

pub(crate) use run::{Seen, run};
pub use shared::Config;
pub(crate) use shared::{HOST_IP, Shared};

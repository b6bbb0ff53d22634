//! One container of a pod: each event changes its state and may ask for effects.

mod crash;
mod exit;
mod probed;
mod start;
mod state;

pub(super) use state::of_pod;
pub(crate) use state::{Container, Role, Run};

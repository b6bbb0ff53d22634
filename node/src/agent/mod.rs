//! The agent: it registers the node, gives each of its pods a worker, and answers the kubelet's paths.

mod known;
mod node;
mod pods;
mod register;
mod server;
mod takeover;

pub use node::{Node, run};
pub use server::{Body, BoxError, KubeletService};

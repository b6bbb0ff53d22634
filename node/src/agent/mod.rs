//! The agent: it registers the node, gives each of its pods a worker, and serves the kubelet's API.

mod hosts;
mod leftovers;
mod node;
mod pods;
mod register;
mod server;
mod summary;
mod takeover;
mod usage;

pub use node::Node;
pub use server::{Body, BoxError, KubeletService};
pub use usage::{ContainerSample, PodSample, PodUsages};

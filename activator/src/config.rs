//! What the activator is told by whoever composes it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of one activator. Addresses are chosen already; port 0 takes a free one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name in load reports: the pod's on a cluster.
    pub name: String,
    /// Where anybody's requests come in.
    pub public: SocketAddr,
    /// Where requests for cluster-local hosts come in; public hosts answer here too.
    pub local: SocketAddr,
    /// Data threads; one per core if absent.
    pub threads: Option<usize>,
    /// How long requests in flight may take to finish after shutdown began.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            name: "activator".to_owned(),
            public: free,
            local: free,
            threads: None,
            drain: Duration::from_secs(10),
        }
    }
}

//! The node agent: runs the pods that are bound to this machine.
//!
//! It meets the cluster through the API like any kubelet and answers the kubelet's paths
//! ([`Node::kubelet`]). What happens to a pod is decided in `pod` (pure), done in `worker`, and run
//! by a [`runtime::ContainerRuntime`].
//!
//! Invariant: nothing of the embedded cluster's insides is known here.

mod agent;
mod backoff;
mod env;
mod images;
mod launch;
pub mod logs;
mod pod;
mod probe;
mod prober;
mod quantity;
mod register;
pub mod runtime;
mod security;
mod server;
mod takeover;
mod volumes;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use rouse_kit::{Clock, Events, Shutdown};

pub use images::{ImageError, Images, LocalImage, StoreImages};
pub use security::Security;
pub use server::{Body, BoxError, KubeletService};

use crate::agent::{Known, Shared};
use crate::logs::Logs;
use crate::runtime::ContainerRuntime;

/// What a node is told.
#[derive(Clone, Debug)]
pub struct Config {
    pub node_name: String,
    /// Logs are kept in `logs`, records of processes in `pods`, volumes in `volumes`.
    pub data_dir: PathBuf,
}

/// A node that can be asked and run.
pub struct Node {
    shared: Arc<Shared>,
    known: Known,
    events: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    shutdown: Shutdown,
}

impl Node {
    #[must_use]
    pub fn new(
        config: Config,
        client: Client,
        images: Arc<dyn Images>,
        runtime: Arc<dyn ContainerRuntime>,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        let (events, writing) = Events::new(client.clone(), "kubelet", clock, shutdown.clone());
        let logs = Logs::new(config.data_dir.join("logs"), clock);
        let shared = Shared {
            config,
            client,
            images,
            runtime,
            clock,
            logs,
            events,
            host_ip: agent::HOST_IP,
            halting: Shutdown::new(),
        };
        Self {
            shared: Arc::new(shared),
            known: Known::default(),
            events: Box::pin(writing),
            shutdown,
        }
    }

    /// Answers the kubelet's paths; works before, while and after the node runs.
    #[must_use]
    pub fn kubelet(&self) -> KubeletService {
        server::service(self.shared.logs.clone(), Arc::clone(&self.known), self.shared.clock)
    }

    /// Forgets where an earlier run's pods were reached: their containers ended with it, and their
    /// addresses may be somebody else's by now. Before the node runs, and before anybody routes.
    ///
    /// # Errors
    /// If the pods cannot be read or written.
    pub async fn take_over(&self) -> Result<(), kube::Error> {
        takeover::forget_addresses(&self.shared).await
    }

    /// Runs pods until the shutdown, and then ends them. Their objects stay: they start again with
    /// the next run.
    pub async fn run(self) {
        let writing = tokio::spawn(self.events);
        agent::run(self.shared, self.known, self.shutdown).await;
        // It ends with the same shutdown.
        let _ = writing.await;
    }
}

/// [`Node::new`] and [`Node::run`] in one, with the store's images.
pub async fn run(
    config: Config,
    client: Client,
    store: rouse_image::Store,
    runtime: Arc<dyn ContainerRuntime>,
    clock: Clock,
    shutdown: Shutdown,
) {
    let images = Arc::new(StoreImages::new(store));
    Node::new(config, client, images, runtime, clock, shutdown).run().await;
}

//! A node: made, asked, and run until the shutdown.

use std::sync::Arc;

use futures::future::BoxFuture;
use kube::Client;
use rouse_kit::{Clock, Events, Shutdown};

use super::known::Known;
use super::server::KubeletService;
use super::{pods, server, takeover};
use crate::images::{Images, StoreImages};
use crate::logs::Logs;
use crate::runtime::ContainerRuntime;
use crate::worker::{Config, HOST_IP, Shared};

/// A node that can be asked and run.
pub struct Node {
    shared: Arc<Shared>,
    known: Known,
    events: BoxFuture<'static, ()>,
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
            host_ip: HOST_IP,
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
        pods::run(self.shared, self.known, self.shutdown).await;
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

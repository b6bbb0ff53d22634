//! The node: its construction, its kubelet service, and its run until shutdown.

use std::sync::Arc;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use rouse_kit::mirror::Mirror;
use rouse_kit::{Component, Events, Shutdown};

use super::server::KubeletService;
use super::usage::{PodUsages, Usages};
use super::{hosts, leftovers, pods, register, server, takeover, usage};
use crate::images::Images;
use crate::logs::Logs;
use crate::runtime::ContainerRuntime;
use crate::traffic::Traffic;
use crate::worker::{Config, HOST_IP, Hosts, Live, Metrics, Shared, Tokens, WriteLocks};

/// The node agent of this machine.
pub struct Node {
    shared: Arc<Shared>,
    pods: Mirror<Pod>,
    usages: Arc<Usages>,
    events: BoxFuture<'static, ()>,
    component: Component,
}

impl Node {
    /// A node that runs as `component`. `runtime` must outlive it.
    #[must_use]
    pub fn new(
        config: Config,
        client: Client,
        images: Arc<dyn Images>,
        runtime: Arc<dyn ContainerRuntime>,
        traffic: Arc<dyn Traffic>,
        component: Component,
    ) -> Self {
        let Component { clock, tasks, shutdown, .. } = component.clone();
        let (events, writing) = Events::new(client.clone(), "kubelet", clock, shutdown);
        let files = Hosts::new(config.data_dir.join("hosts"), runtime.capabilities().remaps_port);
        let logs = Logs::new(config.data_dir.join("logs"), clock, tasks.clone());
        let shared = Arc::new(Shared {
            config,
            client,
            images,
            runtime,
            traffic,
            clock,
            tasks,
            logs,
            events,
            hosts: files,
            tokens: Tokens::default(),
            writing: WriteLocks::default(),
            host_ip: HOST_IP,
            live: Live::default(),
            metrics: Metrics::register(&component.metrics),
            halting: Shutdown::new(),
        });
        let usages = Arc::new(Usages::new(Arc::clone(&shared)));
        component.metrics.collector(Box::new(usage::Collector::new(Arc::clone(&usages))));
        let live = shared.live.clone();
        component.debug.page("pods", "pods of this node as their workers see them", move || {
            serde_json::to_value(live.pods()).unwrap_or_default()
        });
        let (pods, events) = (pods::mirror(&shared), Box::pin(writing));
        Self { shared, pods, usages, events, component }
    }

    /// The kubelet's API; it answers before, while and after the node runs.
    #[must_use]
    pub fn kubelet(&self) -> KubeletService {
        let usages = Arc::clone(&self.usages);
        server::service(self.shared.logs.clone(), self.pods.store(), usages, self.shared.clock)
    }

    /// What its pods use.
    #[must_use]
    pub fn usages(&self) -> PodUsages {
        PodUsages::new(Arc::clone(&self.usages))
    }

    /// Removes the addresses of an earlier run's pods: their containers ended with it, and other
    /// programs may listen there by now. To be called before the node runs and before any routing.
    ///
    /// # Errors
    /// If the pods cannot be read or written.
    pub async fn take_over(&self) -> Result<(), kube::Error> {
        takeover::forget_addresses(&self.shared).await
    }

    /// Runs pods until the shutdown, and then ends them. Their objects stay: they start again with
    /// the next run.
    pub async fn run(self) {
        let Self { shared, pods, usages, events, component } = self;
        let Component { tasks, shutdown, health, .. } = component;
        tasks.vital("events", events);
        let part = health.part("node");
        match shared.runtime.end_survivors().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "ended containers of an earlier run"),
            Err(error) => tracing::warn!(%error, "cannot end containers of an earlier run"),
        }
        let (registered, until) = (Arc::clone(&shared), shutdown.clone());
        tasks.restarting("registration", move || {
            register::keep(Arc::clone(&registered), part.clone(), until.clone())
        });
        if shared.runtime.host_ip().is_some() {
            let (followed, until) = (Arc::clone(&shared), shutdown.clone());
            tasks.restarting("hosts", move || hosts::follow(Arc::clone(&followed), until.clone()));
        }
        let until = shutdown.clone();
        tasks.restarting("usage", move || usage::sample(Arc::clone(&usages), until.clone()));
        let (left, until) = (Arc::clone(&shared), shutdown.clone());
        tasks.restarting("leftovers", move || {
            leftovers::keep_removing(Arc::clone(&left), until.clone())
        });
        pods::run(shared, pods, shutdown).await;
    }
}

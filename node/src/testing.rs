//! Doubles for the tests of this crate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use rouse_kit::{Component, Events, Shutdown};
use serde_json::Value;

use crate::NoTraffic;
use crate::images::{LocalImage, StoreImages};
use crate::logs::Logs;
use crate::runtime::fake::FakeRuntime;
use crate::runtime::{
    Capabilities, ContainerRuntime, ContainerSpec, Error, Signal, Started, Usage,
};
use crate::spec::PodRef;
use crate::worker::{Config, HOST_IP, Hosts, Live, Metrics, Shared, Tokens, WriteLocks};

/// Requests that an API was sent: method, path, body.
pub(crate) type Sent = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An API that accepts every write, and has no objects.
pub(crate) fn client() -> (Client, Sent) {
    let sent = Sent::default();
    let log = Arc::clone(&sent);
    let service = tower::service_fn(move |request: Request<Body>| {
        let log = Arc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let object = serde_json::from_slice(&body).unwrap_or_default();
            let (method, path) = (head.method.to_string(), head.uri.path().to_owned());
            log.lock().push((method, path, object));
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Response::new(Body::from(
                body.to_vec(),
            )))
        }
    });
    (Client::new(service, "default"), sent)
}

/// The parts of a node that has this runtime. Its Events are written until it is dropped.
pub(crate) fn shared(
    dir: &std::path::Path,
    runtime: Arc<dyn ContainerRuntime>,
    component: &Component,
) -> (Arc<Shared>, Sent) {
    let (client, sent) = client();
    let Component { clock, tasks, shutdown, metrics, .. } = component.clone();
    let (events, writing) = Events::new(client.clone(), "kubelet", clock, shutdown);
    tasks.detached("events", writing);
    let shared = Shared {
        config: Config { node_name: "n1".to_owned(), data_dir: dir.to_owned(), api: None },
        client,
        images: Arc::new(StoreImages::new(rouse_image::Store::open(dir.join("images")).unwrap())),
        runtime,
        traffic: Arc::new(NoTraffic),
        clock,
        logs: Logs::new(dir.join("logs"), clock, tasks.clone()),
        tasks,
        events,
        hosts: Hosts::new(dir.join("hosts"), true),
        tokens: Tokens::default(),
        writing: WriteLocks::default(),
        host_ip: HOST_IP,
        live: Live::default(),
        metrics: Metrics::register(&metrics),
        halting: Shutdown::new(),
    };
    (Arc::new(shared), sent)
}

/// A runtime that runs nothing, and whose engine fails a given number of times before it answers.
#[derive(Default)]
pub(crate) struct Faltering {
    fake: FakeRuntime,
    failures: AtomicUsize,
    signals: AtomicUsize,
    sweeps: AtomicUsize,
}

impl Faltering {
    pub(crate) fn fail(&self, times: usize) {
        self.failures.store(times, Ordering::Relaxed);
    }

    /// Signals that were to be sent.
    pub(crate) fn signals(&self) -> usize {
        self.signals.load(Ordering::Relaxed)
    }

    /// How often untracked containers were to be ended.
    pub(crate) fn sweeps(&self) -> usize {
        self.sweeps.load(Ordering::Relaxed)
    }

    fn answer(&self) -> Result<(), Error> {
        let left = |n: usize| n.checked_sub(1);
        match self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Err(Error::Engine { what: "cannot ask", why: "silence".to_owned() }),
            Err(_) => Ok(()),
        }
    }
}

impl ContainerRuntime for Faltering {
    fn name(&self) -> &'static str {
        self.fake.name()
    }

    fn version(&self) -> String {
        self.fake.version()
    }

    fn capabilities(&self) -> Capabilities {
        self.fake.capabilities()
    }

    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>> {
        self.fake.end_survivors()
    }

    fn prepare<'a>(&'a self, image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>> {
        self.fake.prepare(image)
    }

    fn reserve(&self, pod: &PodRef, name: &str, ports: &[u16]) -> BTreeMap<u16, SocketAddr> {
        self.fake.reserve(pod, name, ports)
    }

    fn release(&self, pod: &PodRef) {
        self.fake.release(pod);
    }

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, Error>> {
        self.fake.start(spec)
    }

    fn signal<'a>(&'a self, _: &'a str, _: Signal) -> BoxFuture<'a, Result<(), Error>> {
        self.signals.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.answer() })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        self.fake.remove(id)
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        limit: Duration,
    ) -> BoxFuture<'a, Result<(i32, String), Error>> {
        self.fake.exec(id, command, limit)
    }

    fn end_pod<'a>(&'a self, pod: &'a PodRef) -> BoxFuture<'a, Result<(), Error>> {
        self.fake.end_pod(pod)
    }

    fn end_strays(&self) -> BoxFuture<'_, Result<usize, Error>> {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.answer().map(|()| 1) })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { self.answer() })
    }

    fn usage<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Usage>> {
        self.fake.usage(ids)
    }

    fn listening(&self, id: &str) -> Option<Vec<u16>> {
        self.fake.listening(id)
    }
}

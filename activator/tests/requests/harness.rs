//! An activator of its own for each test, with clients and pods.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rouse_activator::{Config, Handle, Https, Issue, Reserved, Stats, start};
use rouse_api::load::LoadReport;
use rouse_api::routing::{self, Routing};
use rouse_kit::{Component, Shutdown};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::api::Api;

pub(crate) const HOST: &str = "hello.default.localhost";
pub(crate) const LOCAL: &str = "hello.default.svc.cluster.local";
pub(crate) const REVISION: &str = "hello-00001";
/// No test waits longer for anything.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) type Reply = Response<BoxBody<Bytes, hyper::Error>>;

/// The settings of a Revision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) concurrency: u32,
    pub(crate) queue_limit: u32,
    /// `timeoutSeconds`, `responseStartTimeoutSeconds`, `idleTimeoutSeconds`; 0 is not set.
    pub(crate) timeouts: [u32; 3],
    pub(crate) port_name: &'static str,
}

impl Default for Spec {
    fn default() -> Self {
        Self { concurrency: 0, queue_limit: 10_000, timeouts: [300, 0, 0], port_name: "user-port" }
    }
}

impl Spec {
    pub(crate) fn revision(&self, name: &str) -> Value {
        let [total, start, idle] = self.timeouts.map(|seconds| (seconds > 0).then_some(seconds));
        let mut meta = meta(name, &[("rouse.dev/queue-limit", &self.queue_limit.to_string())]);
        meta["labels"] = json!({ "serving.knative.dev/service": "hello",
            "serving.knative.dev/configuration": "config" });
        json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": meta,
            "spec": {
                "containerConcurrency": self.concurrency, "timeoutSeconds": total,
                "responseStartTimeoutSeconds": start, "idleTimeoutSeconds": idle,
                "containers": [{ "name": "user-container", "image": "hello",
                    "ports": [{ "containerPort": 8080, "name": self.port_name }] }],
            },
        })
    }
}

/// The fields of a Pod object that tests set.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) revision: &'static str,
    pub(crate) address: Option<SocketAddr>,
    /// The `readinessProbe`; TCP on the serving port if null.
    pub(crate) probe: Value,
    pub(crate) ready: bool,
    pub(crate) draining: bool,
    pub(crate) deleted: bool,
    /// Why its container waits: reason and message.
    pub(crate) waiting: Option<(&'static str, &'static str)>,
}

/// A pod of the first revision at `address`, probed by TCP.
pub(crate) fn pod_at(address: SocketAddr) -> Pod {
    Pod {
        revision: REVISION,
        address: Some(address),
        probe: Value::Null,
        ready: false,
        draining: false,
        deleted: false,
        waiting: None,
    }
}

impl Pod {
    pub(crate) fn object(&self, name: &str) -> Value {
        let port = self.address.map_or(8080, |address| address.port());
        let annotations = self.draining.then_some(("rouse.dev/draining", "true"));
        let mut meta = meta(name, annotations.as_slice());
        meta["uid"] = json!(format!("{name} at {:?}", self.address));
        meta["labels"] = json!({ "serving.knative.dev/revision": self.revision });
        if self.deleted {
            meta["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let container = json!({ "name": "user-container", "readinessProbe": self.probe,
            "ports": [{ "containerPort": port, "name": "user-port" }] });
        let waiting = self.waiting.map(|(reason, message)| {
            json!({ "name": "user-container", "image": "hello", "imageID": "", "ready": false,
                "restartCount": 0,
                "state": { "waiting": { "reason": reason, "message": message } } })
        });
        let ready = if self.ready { "True" } else { "False" };
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": meta,
            "spec": { "nodeName": "node", "containers": [container] },
            "status": {
                "phase": "Running",
                "podIP": self.address.map(|address| address.ip().to_string()),
                "conditions": [{ "type": "Ready", "status": ready }],
                "containerStatuses": waiting.as_slice(),
            },
        })
    }
}

fn meta(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: std::collections::BTreeMap<_, _> = annotations.iter().copied().collect();
    // Every state of every object has a version of its own, as on a server.
    static VERSION: AtomicU64 = AtomicU64::new(2);
    let version = VERSION.fetch_add(1, Ordering::Relaxed).to_string();
    json!({ "name": name, "namespace": "default", "uid": name, "resourceVersion": version,
        "annotations": annotations })
}

/// A Route or DomainMapping with this `status.routing`.
pub(crate) fn routed(kind: &str, name: &str, version: i64, host: routing::Host) -> Value {
    let (group_version, spec) = match kind {
        "Route" => ("serving.knative.dev/v1", json!({})),
        _ => (
            "serving.knative.dev/v1beta1",
            json!({ "ref": {
            "kind": "Service", "name": "hello", "apiVersion": "serving.knative.dev/v1" } }),
        ),
    };
    json!({ "apiVersion": group_version, "kind": kind, "metadata": meta(name, &[]), "spec": spec,
        "status": { "routing": Routing { version, hosts: vec![host] } } })
}

/// The first revision's host with these shares.
pub(crate) fn split_host(split: &[(&str, u8)]) -> routing::Host {
    let share = |(revision, percent): &(&str, u8)| routing::Share {
        revision: (*revision).to_owned(),
        percent: *percent,
    };
    routing::Host {
        public: vec![HOST.to_owned()],
        local: vec![LOCAL.to_owned()],
        split: split.iter().map(share).collect(),
        ..Default::default()
    }
}

/// An activator and the API that it watches.
pub(crate) struct Stage {
    pub(crate) api: Api,
    pub(crate) handle: Handle,
    pub(crate) load: mpsc::Receiver<LoadReport>,
    /// Lines of the request log, several at a time.
    pub(crate) log: mpsc::UnboundedReceiver<String>,
    pub(crate) component: Component,
    pub(crate) ledger: rouse_kit::Ledger,
    pub(crate) shutdown: Shutdown,
    version: i64,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// An activator with one host, one revision and no pods.
pub(crate) async fn stage(spec: Spec) -> Stage {
    let mut stage = Stage::with([("revisions", vec![spec.revision(REVISION)])]);
    stage.split(&[(REVISION, 100)]).await;
    stage
}

impl Stage {
    /// An activator whose API holds these objects.
    pub(crate) fn with(objects: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Self {
        let (api, client) = Api::holding(objects);
        Self::learning(api, client)
    }

    pub(crate) fn learning(api: Api, client: kube::Client) -> Self {
        Self::secured(api, client, None)
    }

    /// With an https listener, whose certificates `issue` makes.
    pub(crate) fn secured(api: Api, client: kube::Client, issue: Option<Issue>) -> Self {
        let (reports, load) = mpsc::channel(64);
        let process = rouse_kit::Process::new(rouse_kit::Clock::of_tokio());
        let component = process.component("activator", Shutdown::new());
        let reserve = || Reserved::new(([127, 0, 0, 1], 0).into()).expect("a free port");
        let config = Config::new(reserve(), reserve());
        let (lines, log) = mpsc::unbounded_channel();
        let request_log: rouse_activator::Sink = Arc::new(move |text| {
            // An error means that the test is over.
            let _ = lines.send(text.to_owned());
        });
        let drain = Duration::from_secs(5);
        let https = issue.map(|issue| Https { listener: reserve(), issue });
        let config = Config { threads: Some(2), https, drain, request_log, ..config };
        let resolve = rouse_kit::address::by_pod_ip();
        let handle = start(config, client, resolve, reports, &component);
        let handle = handle.expect("free ports");
        let shutdown = component.shutdown.clone();
        let ledger = process.ledger;
        Self { api, handle, load, log, component, ledger, shutdown, version: 0 }
    }

    pub(crate) async fn revision(&self, name: &str, spec: Spec) {
        self.api.put("revisions", spec.revision(name)).await;
    }

    /// Sets the shares of the host and waits until they are served.
    pub(crate) async fn split(&mut self, split: &[(&str, u8)]) {
        self.version += 1;
        let route = routed("Route", "hello", self.version, split_host(split));
        self.api.put("routes", route).await;
        let served = self.handle.served("default", "hello", self.version);
        tokio::time::timeout(SOON, served).await.expect("served in time");
    }

    pub(crate) async fn pod(&self, name: &str, pod: Pod) {
        self.api.put("pods", pod.object(name)).await;
    }

    pub(crate) async fn no_pod(&self, name: &str, pod: Pod) {
        self.api.delete("pods", pod.object(name)).await;
    }

    /// Tasks of the activator that panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.ledger.report().iter().map(|task| task.panics).sum()
    }

    /// Waits until the activator's health parts are as `wanted`: name, and whether it is ready.
    pub(crate) async fn until_parts(&self, wanted: &[(&str, bool)]) {
        let report = || {
            let parts = self.component.health.report();
            parts.iter().map(|part| (part.name, part.ready)).collect::<Vec<_>>()
        };
        let looking = async {
            while report() != wanted {
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(SOON, looking).await;
        found.unwrap_or_else(|_| panic!("it came to {:?}", report()));
    }

    /// Waits until the activator's stats are as `wanted`.
    pub(crate) async fn until(&self, wanted: impl Fn(Stats) -> bool) {
        let looking = async {
            while !wanted(self.handle.stats()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, looking)
            .await
            .unwrap_or_else(|_| panic!("it came to {:?}", self.handle.stats()));
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.handle.public_addr()).await
    }

    /// A GET over a connection of its own, which is in a pod when this returns.
    pub(crate) async fn busy(&self) -> tokio::task::JoinHandle<(StatusCode, String)> {
        let before = self.handle.stats().in_flight;
        let mut client = self.client().await;
        let busy =
            spawn(async move { read(client.send(get("/")).await.expect("an answer")).await });
        self.until(|stats| stats.in_flight == before + 1).await;
        busy
    }

    /// One GET over a connection of its own.
    pub(crate) async fn get(&self) -> (StatusCode, String) {
        let mut client = self.client().await;
        let response = client.send(get("/")).await.expect("an answer");
        read(response).await
    }
}

/// An activator with one pod in the rotation.
pub(crate) async fn one_pod(spec: Spec, address: SocketAddr) -> Stage {
    let stage = stage(spec).await;
    stage.pod("p", pod_at(address)).await;
    stage.until(|stats| stats.pods == 1).await;
    stage
}

/// One HTTP/1.1 client connection.
pub(crate) struct Client(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        spawn(connection.with_upgrades());
        Self(sender)
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        tokio::time::timeout(SOON, self.0.send_request(request)).await.expect("an answer in time")
    }
}

/// Runs a double or a client, which ends with the runtime of its test.
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", HOST).body(Full::default()).expect("a request")
}

pub(crate) fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/").header("host", HOST).body(Full::from(body)).expect("a request")
}

pub(crate) async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, String::from_utf8(bytes.to_vec()).expect("text"))
}

/// A server that gives each request to `answer`; HTTP/1.1 and h2c.
pub(crate) async fn server<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    spawn(serve(listener, answer));
    address
}

pub(crate) async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let answer = answer.clone();
        spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, std::convert::Infallible>(answered.await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

/// A server that always says `word`.
pub(crate) async fn says(word: &'static str) -> SocketAddr {
    server(move |_| async move { text(word) }).await
}

/// A server that says `word` to each request that the gate lets through.
pub(crate) async fn gated(gate: &Gate, word: &'static str) -> SocketAddr {
    let gate = gate.clone();
    server(move |_| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            text(word)
        }
    })
    .await
}

pub(crate) fn text(word: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(word.into()).map_err(|never| match never {}).boxed())
}

/// An answer whose body is whatever the test sends.
pub(crate) fn stream(frames: mpsc::Receiver<Result<Frame<Bytes>, hyper::Error>>) -> Reply {
    let frames = futures::stream::unfold(frames, |mut frames| async move {
        frames.recv().await.map(|frame| (frame, frames))
    });
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

/// Lets a test decide when requests in a pod go on.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn let_through(&self, count: usize) {
        self.0.add_permits(count);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.expect("never closed").forget();
    }
}

//! The public way in: `start` with a client, against a small API that lists and watches.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;
use rouse_kit::{Clock, Shutdown};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::harness::{Client, HOST, REVISION, free, get, read, says};
use crate::{Config, start};

type Body = BoxBody<Bytes, Infallible>;
type Events = mpsc::Receiver<Value>;

/// What is there at first, and what happens then, by resource.
#[derive(Clone, Default)]
struct FakeApi {
    there: Arc<BTreeMap<&'static str, Vec<Value>>>,
    events: Arc<Mutex<BTreeMap<&'static str, Events>>>,
}

impl FakeApi {
    fn client(self) -> kube::Client {
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        kube::Client::new(service, "default")
    }

    fn answer(&self, request: &Request<kube::client::Body>) -> Response<Body> {
        let resource = request.uri().path().rsplit('/').next().unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        if query.contains("watch=") {
            let events = self.events.lock().remove(resource);
            return Response::new(BodyExt::boxed(StreamBody::new(lines(events))));
        }
        let items = self.there.get(resource).cloned().unwrap_or_default();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items,
            "metadata": { "resourceVersion": "1" } });
        Response::new(Full::from(list.to_string()).boxed())
    }
}

/// A watch that never ends: each event a line.
fn lines(
    events: Option<Events>,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync {
    let told = futures::stream::unfold(events, |events| async move {
        let mut events = events?;
        let event = events.recv().await?;
        let line = Bytes::from(format!("{event}\n"));
        Some((Ok(Frame::data(line)), Some(events)))
    });
    told.chain(futures::stream::pending())
}

fn meta(name: &str) -> Value {
    json!({ "name": name, "namespace": "default", "uid": name, "resourceVersion": "2",
        "labels": { "serving.knative.dev/revision": REVISION } })
}

fn route(version: i64) -> Value {
    let host = json!({ "public": [HOST], "split": [{ "revision": REVISION, "percent": 100 }] });
    json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": meta("hello"),
        "spec": {}, "status": { "routing": { "version": version, "hosts": [host] } } })
}

fn revision() -> Value {
    json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Revision",
        "metadata": meta(REVISION), "spec": { "containers": [{ "name": "c" }] } })
}

fn pod(port: u16) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": meta("p"),
        "spec": { "containers": [{ "name": "c", "ports": [{ "containerPort": port }] }] },
        "status": { "podIP": "127.0.0.1", "phase": "Running" } })
}

fn begin(api: FakeApi) -> (crate::Handle, Shutdown) {
    let (reports, _) = mpsc::channel(64);
    let shutdown = Shutdown::new();
    let resolve = rouse_kit::address::by_pod_ip();
    let config = Config { threads: Some(1), ..free() };
    let clock = Clock::system();
    let handle = start(config, api.client(), resolve, reports, clock, shutdown.clone());
    (handle.expect("free ports"), shutdown)
}

async fn ask(handle: &crate::Handle) -> String {
    let mut client = Client::connect(handle.public_addr()).await;
    read(client.send(get("/")).await.expect("an answer")).await.1
}

#[tokio::test]
async fn what_is_there_at_the_start_is_served_from_the_first_request_on() {
    let port = says("hello").await.port();
    let there =
        [("routes", vec![route(4)]), ("revisions", vec![revision()]), ("pods", vec![pod(port)])];
    let api = FakeApi { there: Arc::new(there.into()), ..FakeApi::default() };
    let (handle, shutdown) = begin(api);
    // Nobody waited for anything: the connection does, in the backlog.
    assert_eq!(ask(&handle).await, "hello");
    handle.served("default", "hello", 4).await;
    shutdown.cancel();
}

#[tokio::test]
async fn what_comes_later_is_served_once_it_is_said_to_be() {
    let (routes, route_events) = mpsc::channel(4);
    let (revisions, revision_events) = mpsc::channel(4);
    let (pods, pod_events) = mpsc::channel(4);
    let events = [("routes", route_events), ("revisions", revision_events), ("pods", pod_events)];
    let api = FakeApi { events: Arc::new(Mutex::new(events.into())), ..FakeApi::default() };
    let (handle, shutdown) = begin(api);
    handle.ready().await;
    assert!(ask(&handle).await.contains("UnknownHost"));

    let added = |object: Value| json!({ "type": "ADDED", "object": object });
    routes.send(added(route(1))).await.expect("watched");
    while handle.stats().hosts == 0 {
        tokio::task::yield_now().await;
    }
    let early = handle.served("default", "hello", 1).now_or_never();
    assert_eq!(early, None, "its revision is not known yet");
    revisions.send(added(revision())).await.expect("watched");
    handle.served("default", "hello", 1).await;
    let port = says("later").await.port();
    pods.send(added(pod(port))).await.expect("watched");
    assert_eq!(ask(&handle).await, "later");

    let deleted = json!({ "type": "DELETED", "object": route(1) });
    routes.send(deleted).await.expect("watched");
    while handle.stats().hosts > 0 {
        tokio::task::yield_now().await;
    }
    assert!(ask(&handle).await.contains("UnknownHost"));
    shutdown.cancel();
}

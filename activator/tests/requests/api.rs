//! A small API server: it lists initial objects and streams watch events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

type Body = BoxBody<Bytes, Infallible>;

/// Watch events that may wait to be read.
const EVENTS: usize = 64;

/// The resources that the activator watches.
const RESOURCES: [&str; 6] =
    ["routes", "domainmappings", "revisions", "pods", "secrets", "configmaps"];

/// The API's objects and its watches. Each resource can be watched once.
#[derive(Debug)]
pub(crate) struct Api {
    senders: BTreeMap<&'static str, mpsc::Sender<Value>>,
    /// Requests are answered while this is true.
    answers: watch::Sender<bool>,
}

struct Served {
    answers: watch::Receiver<bool>,
    listed: BTreeMap<&'static str, Vec<Value>>,
    events: Mutex<BTreeMap<&'static str, mpsc::Receiver<Value>>>,
}

impl Api {
    /// An API that holds `objects` of the resources named, and a client of it.
    pub(crate) fn holding(
        objects: impl IntoIterator<Item = (&'static str, Vec<Value>)>,
    ) -> (Self, kube::Client) {
        let (mut senders, mut events) = (BTreeMap::new(), BTreeMap::new());
        for resource in RESOURCES {
            let (sender, receiver) = mpsc::channel(EVENTS);
            senders.insert(resource, sender);
            events.insert(resource, receiver);
        }
        let listed = objects.into_iter().collect();
        let (answers, open) = watch::channel(true);
        let served = Arc::new(Served { answers: open, listed, events: Mutex::new(events) });
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let served = Arc::clone(&served);
            async move {
                // An error means that the test is over.
                let _ = served.answers.clone().wait_for(|open| *open).await;
                Ok::<_, Infallible>(served.answer(&request))
            }
        });
        (Self { senders, answers }, kube::Client::new(service, "default"))
    }

    /// Whether requests are answered from now on.
    pub(crate) fn answers(&self, answers: bool) {
        self.answers.send_replace(answers);
    }

    /// Says that `object` was created or changed.
    pub(crate) async fn put(&self, resource: &str, object: Value) {
        self.tell(resource, json!({ "type": "MODIFIED", "object": object })).await;
    }

    /// Says that `object` is gone.
    pub(crate) async fn delete(&self, resource: &str, object: Value) {
        self.tell(resource, json!({ "type": "DELETED", "object": object })).await;
    }

    async fn tell(&self, resource: &str, event: Value) {
        self.senders[resource].send(event).await.expect("the resource is watched");
    }
}

impl Served {
    fn answer(&self, request: &Request<kube::client::Body>) -> Response<Body> {
        let resource = request.uri().path().rsplit('/').next().unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        if query.contains("watch=") {
            let events = self.events.lock().remove(resource);
            return Response::new(BodyExt::boxed(StreamBody::new(lines(events))));
        }
        let items = self.listed.get(resource).cloned().unwrap_or_default();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items,
            "metadata": { "resourceVersion": "1" } });
        Response::new(Full::from(list.to_string()).boxed())
    }
}

/// A watch that never ends: each event a line.
fn lines(
    events: Option<mpsc::Receiver<Value>>,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync {
    let told = futures::stream::unfold(events, |events| async move {
        let mut events = events?;
        let event = events.recv().await?;
        let line = Bytes::from(format!("{event}\n"));
        Some((Ok(Frame::data(line)), Some(events)))
    });
    told.chain(futures::stream::pending())
}

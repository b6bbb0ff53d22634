//! Doubles for the tests of this crate.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use rouse_kit::{Component, Events, Shutdown};
use serde_json::Value;

use crate::NoTraffic;
use crate::images::StoreImages;
use crate::logs::Logs;
use crate::runtime::ContainerRuntime;
use crate::worker::{Config, HOST_IP, Live, Metrics, Shared};

/// Requests that an API was sent: method, path, body.
pub(crate) type Sent = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An API that takes everything that it is sent, and has nothing.
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
        config: Config { node_name: "n1".to_owned(), data_dir: dir.to_owned() },
        client,
        images: Arc::new(StoreImages::new(rouse_image::Store::open(dir.join("images")).unwrap())),
        runtime,
        traffic: Arc::new(NoTraffic),
        clock,
        logs: Logs::new(dir.join("logs"), clock, tasks.clone()),
        tasks,
        events,
        host_ip: HOST_IP,
        live: Live::default(),
        metrics: Metrics::register(&metrics),
        halting: Shutdown::new(),
    };
    (Arc::new(shared), sent)
}

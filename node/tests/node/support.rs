//! An API of a few lines for one node: objects by path, merge patches, and a watch of pods.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::broadcast;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<BoxBody<Bytes, BoxError>>;

/// No step of these tests takes longer, unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// As the API server says that a watch cannot go on.
const GONE: &str = concat!(
    r#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"#,
    r#""reason":"Expired","message":"too old resource version"}}"#,
    "\n"
);
const PODS: &str = "/api/v1/namespaces/demo/pods";

#[derive(Clone)]
pub(crate) struct Api {
    objects: Arc<Mutex<Objects>>,
    changes: broadcast::Sender<String>,
    /// The node's logs of pods, shown when something never comes.
    logs: Arc<OnceLock<PathBuf>>,
}

#[derive(Default)]
struct Objects {
    by_path: BTreeMap<String, Value>,
    version: u64,
    /// Every write, in order: verb and path.
    log: Vec<String>,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self { objects: Arc::default(), changes: broadcast::channel(1024).0, logs: Arc::default() }
    }

    /// Tells where the node keeps its data.
    pub(crate) fn of_node(&self, data_dir: &Path) {
        // A node that starts again has the same directory.
        let _ = self.logs.set(data_dir.join("logs"));
    }

    /// What the containers wrote.
    fn logs(&self) -> String {
        let mut text = String::new();
        let mut dirs = Vec::from_iter(self.logs.get().cloned());
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let lines = std::fs::read_to_string(&path).unwrap_or_default();
                    text.push_str(&format!("{}:\n{lines}", path.display()));
                }
            }
        }
        text
    }

    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { api.answer(request).await }
        });
        kube::Client::new(service, "default")
    }

    /// Puts an object as a user would; pods are bound to the node already.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut objects = self.objects.lock();
        let kind = if objects.by_path.contains_key(path) { "MODIFIED" } else { "ADDED" };
        self.store(&mut objects, path, object, kind);
    }

    pub(crate) fn put_pod(&self, name: &str, spec: Value) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            // Several tests share one engine.
            "metadata": {"name": name, "namespace": "demo", "uid": uuid::Uuid::new_v4().to_string()},
            "spec": spec, "status": {"phase": "Pending"},
        });
        self.put(&format!("{PODS}/{name}"), pod);
    }

    /// Marks a pod as deleted, as the API server does.
    pub(crate) fn delete_pod(&self, name: &str, grace: i64) {
        let path = format!("{PODS}/{name}");
        let mut objects = self.objects.lock();
        let mut pod = objects.by_path[&path].clone();
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.store(&mut objects, &path, pod, "MODIFIED");
    }

    pub(crate) fn pod(&self, name: &str) -> Option<Value> {
        self.objects.lock().by_path.get(&format!("{PODS}/{name}")).cloned()
    }

    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.objects.lock().by_path.get(path).cloned()
    }

    /// Where a port of the pod is reached.
    pub(crate) fn address(&self, name: &str, port: u16) -> SocketAddr {
        let pod = self.pod(name).unwrap();
        match pod["metadata"]["annotations"]["rouse.dev/address"].as_str() {
            Some(text) => {
                let addresses: Value = serde_json::from_str(text).unwrap();
                text_of(&addresses[port.to_string()]).parse().unwrap()
            }
            None => format!("{}:{port}", text_of(&pod["status"]["podIP"])).parse().unwrap(),
        }
    }

    /// `reason: message` of all Events, in no particular order.
    pub(crate) fn events(&self) -> Vec<String> {
        let objects = self.objects.lock();
        let events = objects.by_path.iter().filter(|(path, _)| path.contains("/events/"));
        events
            .map(|(_, e)| format!("{}: {}", text_of(&e["reason"]), text_of(&e["message"])))
            .collect()
    }

    /// How often something was written to the path.
    pub(crate) fn writes(&self, path: &str) -> usize {
        self.objects.lock().log.iter().filter(|line| line.ends_with(path)).count()
    }

    /// Waits until the pod's object (or its absence) satisfies.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        good: impl Fn(Option<&Value>) -> bool,
    ) {
        let mut changes = self.changes.subscribe();
        let waited = tokio::time::timeout(LONG, async {
            while !good(self.pod(name).as_ref()) {
                // Missed changes do not matter: the object itself is read.
                let _ = changes.recv().await;
            }
        });
        if waited.await.is_err() {
            let (pod, events, logs) = (self.pod(name), self.events(), self.logs());
            let ip = pod.as_ref().and_then(|pod| pod["status"]["podIP"].as_str()).unwrap_or("none");
            let connected = TcpStream::connect(format!("{ip}:8080")).await;
            panic!(
                "pod {name} is never {what}: {pod:#?} {events:#?}\nits port now: {connected:?}\n{logs}"
            );
        }
    }

    pub(crate) async fn until_event(&self, what: &str) {
        let mut changes = self.changes.subscribe();
        let waited = tokio::time::timeout(LONG, async {
            while !self.events().iter().any(|event| event.contains(what)) {
                let _ = changes.recv().await;
            }
        });
        if waited.await.is_err() {
            panic!("no event {what:?}: {:#?}", self.events());
        }
    }

    fn store(&self, objects: &mut Objects, path: &str, mut object: Value, kind: &str) {
        objects.version += 1;
        object["metadata"]["resourceVersion"] = json!(objects.version.to_string());
        if path.starts_with(PODS) {
            let event = json!({"type": kind, "object": object});
            // There may be no watch yet.
            let _ = self.changes.send(format!("{event}\n"));
        } else {
            let _ = self.changes.send(String::new());
        }
        if kind == "DELETED" {
            objects.by_path.remove(path);
        } else {
            objects.by_path.insert(path.to_owned(), object);
        }
    }

    async fn answer(&self, request: Request<Body>) -> Result<Answer, BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = head.uri.path().trim_end_matches("/status").to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        if head.method == Method::GET && query.contains("watch=true") {
            return Ok(self.watch());
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut objects = self.objects.lock();
        if head.method != Method::GET {
            objects.log.push(format!("{} {}", head.method, head.uri.path()));
        }
        let found = objects.by_path.get(&path).cloned();
        Ok(match (head.method, found) {
            (Method::GET, _) if path == "/api/v1/pods" => self.list(&objects),
            (Method::GET, Some(object)) => respond(200, &object),
            (Method::POST, _) => {
                let path = format!("{path}/{}", text_of(&body["metadata"]["name"]));
                self.store(&mut objects, &path, body.clone(), "ADDED");
                respond(201, &body)
            }
            (Method::PATCH, Some(mut object)) => {
                merge(&mut object, &body);
                self.store(&mut objects, &path, object.clone(), "MODIFIED");
                respond(200, &object)
            }
            (Method::DELETE, Some(object)) => {
                self.store(&mut objects, &path, object.clone(), "DELETED");
                respond(200, &object)
            }
            (_, _) => respond(
                404,
                &json!({
                    "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound",
                    "message": format!("{path} not found"),
                }),
            ),
        })
    }

    fn list(&self, objects: &Objects) -> Answer {
        let pods = objects.by_path.iter().filter(|(path, _)| path.starts_with(PODS));
        let items: Vec<&Value> = pods.map(|(_, pod)| pod).collect();
        let version = objects.version.to_string();
        respond(
            200,
            &json!({
                "kind": "PodList", "apiVersion": "v1",
                "metadata": {"resourceVersion": version}, "items": items,
            }),
        )
    }

    fn watch(&self) -> Answer {
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        // Changes between the list and this watch are sent again.
        let objects = self.objects.lock();
        let pods = objects.by_path.iter().filter(|(path, _)| path.starts_with(PODS));
        let first: Vec<String> = pods
            .map(|(_, pod)| format!("{}\n", json!({"type": "MODIFIED", "object": pod})))
            .collect();
        let mut changes = self.changes.subscribe();
        drop(objects);
        tokio::spawn(async move {
            if sender.send(Bytes::from(first.concat())).await.is_err() {
                return;
            }
            use broadcast::error::RecvError::{Closed, Lagged};
            loop {
                let line = match changes.recv().await {
                    Ok(line) => line,
                    // The watch lags behind the buffer: list again.
                    Err(Lagged(_)) => GONE.to_owned(),
                    Err(Closed) => return,
                };
                let last = line == GONE;
                if !line.is_empty() && sender.send(Bytes::from(line)).await.is_err() || last {
                    return;
                }
            }
        });
        Response::new(BoxBody::new(Lines(receiver)))
    }
}

struct Lines(tokio::sync::mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

/// The body that a server answers with; empty when it ends instead.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    // A program that is killed answers nothing.
    let _ = stream.read_to_string(&mut text).await;
    text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
}

/// The pod runs and is ready.
pub(crate) fn is_ready(pod: Option<&Value>) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True")
}

pub(crate) fn condition(pod: Option<&Value>, kind: &str) -> Option<Value> {
    let conditions = pod?["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind).cloned()
}

pub(crate) fn waiting(pod: Option<&Value>) -> Option<&str> {
    pod?["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn respond(status: u16, value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string())).map_err(|never| match never {});
    Response::builder().status(status).body(BoxBody::new(body)).unwrap()
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

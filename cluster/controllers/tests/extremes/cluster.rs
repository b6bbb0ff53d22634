//! A cluster in this process with its controllers: requests, their answers, and whether the controllers go on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use rouse_apiserver::identity::UserInfo;
use rouse_apiserver::{Cluster, Config, Storage};
use rouse_kit::{Clock, Component};
use rouse_schema::kinds::Resource;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The namespace of the objects under test.
pub(crate) const NAMESPACE: &str = "extremes";

static PANICS: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Running {
    pub(crate) cluster: Cluster,
    controllers: Component,
    seen: usize,
}

pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) value: Value,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Success, or a refusal that says why in a Status.
    pub(crate) fn is_proper(&self) -> bool {
        let status = &self.value;
        self.is_success()
            || (400..500).contains(&self.code)
                && status["kind"] == "Status"
                && status["code"] == self.code
                && status["message"].as_str().is_some_and(|why| !why.is_empty())
    }
}

/// The collection that objects of a kind are in.
pub(crate) fn collection(resource: &Resource) -> String {
    let group = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    let namespace =
        if resource.namespaced { format!("/namespaces/{NAMESPACE}") } else { String::new() };
    format!("{group}{namespace}/{}", resource.plural)
}

impl Running {
    pub(crate) async fn start() -> Self {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
        let initial =
            serde_json::from_str(include_str!("../../../../manifests/initial.json")).unwrap();
        let (storage, clock, ca) = (Storage::Memory, Clock::of_tokio(), String::new());
        let cluster = Cluster::open(Config { storage, initial, clock, ca }).unwrap();
        let controllers = Component::alone("controllers");
        rouse_controllers::start(&rouse_controllers::Config::of(&cluster), &controllers);
        let running = Self { cluster, controllers, seen: 0 };
        let namespace = json!({ "metadata": { "name": NAMESPACE } });
        running.must("POST", "/api/v1/namespaces", &namespace).await;
        running.must("POST", "/api/v1/nodes", &json!({ "metadata": { "name": "n" } })).await;
        let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" } } });
        running.must("PATCH", "/api/v1/nodes/n/status", &status).await;
        running.must("POST", NEIGHBOURS, &neighbour()).await;
        running
    }

    /// Yields to the controllers and other tasks.
    pub(crate) async fn turns(&self) {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        let form = if method == "PATCH" { "merge-patch+json" } else { "json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", format!("application/{form}"))
            .body(Full::new(body.into()))
            .unwrap();
        let service = self.cluster.service_as(UserInfo::administrator());
        let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
        // The answer to a watch does not end; its head says whether it was taken.
        let watch = parts.status.is_success() && path.contains("watch=");
        let body = if watch { Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
        let value = serde_json::from_slice(&body).unwrap_or_default();
        Answer { code: parts.status.as_u16(), value }
    }

    /// The table that `kubectl get` shows.
    pub(crate) async fn table(&self, path: &str) -> Answer {
        let request = Request::builder()
            .uri(path)
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Full::new(Bytes::new()))
            .unwrap();
        let service = self.cluster.service_as(UserInfo::administrator());
        let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
        let value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes());
        Answer { code: parts.status.as_u16(), value: value.unwrap_or_default() }
    }

    async fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body.to_string()).await;
        assert!(answer.is_success(), "{method} {path}: {} {}", answer.code, answer.value);
        answer.value
    }

    /// Panics since the last call, and whether the controllers ended.
    pub(crate) fn broken(&mut self) -> Option<String> {
        let panics = PANICS.load(Ordering::Relaxed);
        let new = panics - std::mem::replace(&mut self.seen, panics);
        let ended = self.controllers.shutdown.is_cancelled();
        let ended_too = if ended { ", the controllers ended" } else { "" };
        (new > 0 || ended).then(|| format!("{new} panics{ended_too}"))
    }

    pub(crate) async fn end(self) {
        self.controllers.shutdown.cancel();
        self.controllers.tasks.finish().await;
    }

    /// Removes pods as their node agent would.
    pub(crate) async fn sweep(&self) {
        let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods?gracePeriodSeconds=0");
        self.must("DELETE", &pods, &json!({})).await;
        self.turns().await;
    }

    /// Whether another Deployment still scales from 1 to 2, and a namespace is still deleted.
    pub(crate) async fn goes_on(&self) -> Result<(), String> {
        // Work that is due at a time is done as well.
        tokio::time::advance(Duration::from_secs(61)).await;
        for replicas in [1, 2] {
            let scale = json!({ "spec": { "replicas": replicas } });
            self.must("PATCH", &format!("{NEIGHBOURS}/neighbour/scale"), &scale).await;
            self.eventually(&format!("{replicas} neighbours"), async || {
                let listed = self.must("GET", NEIGHBOUR_PODS, &Value::Null).await;
                let pods = listed["items"].as_array().unwrap();
                for pod in
                    pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string())
                {
                    let name = pod["metadata"]["name"].as_str().unwrap();
                    let path =
                        format!("/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0");
                    self.ask("DELETE", &path, "").await;
                }
                let bound = |pod: &&Value| pod["spec"]["nodeName"].is_string();
                pods.len() == replicas && pods.iter().filter(bound).count() == replicas
            })
            .await?;
        }
        self.must("POST", "/api/v1/namespaces", &json!({ "metadata": { "name": "going" } })).await;
        let map = json!({ "metadata": { "name": "inside" } });
        self.must("POST", "/api/v1/namespaces/going/configmaps", &map).await;
        self.must("DELETE", "/api/v1/namespaces/going", &json!({})).await;
        self.eventually("a namespace that goes", async || {
            self.ask("GET", "/api/v1/namespaces/going", "").await.code == 404
        })
        .await
    }

    async fn eventually(&self, what: &str, holds: impl AsyncFn() -> bool) -> Result<(), String> {
        for _ in 0..200 {
            self.turns().await;
            if holds().await {
                return Ok(());
            }
            // Time is paused: advancing it lets all other tasks come to rest.
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        Err(format!("there never was {what}"))
    }
}

const NEIGHBOURS: &str = "/apis/apps/v1/namespaces/default/deployments";
const NEIGHBOUR_PODS: &str = "/api/v1/namespaces/default/pods?labelSelector=app%3Dneighbour";

fn neighbour() -> Value {
    let labels = json!({ "app": "neighbour" });
    json!({ "metadata": { "name": "neighbour" }, "spec": { "replicas": 1,
        "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
}

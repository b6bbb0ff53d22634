//! Requests to a cluster in this process, as any client sends them.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use rouse_apiserver::identity::UserInfo;
use rouse_apiserver::{Cluster, Config, Storage};
use rouse_kit::Clock;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) fn cluster_with(storage: Storage, initial: Vec<Value>) -> Cluster {
    Cluster::open(Config { storage, initial, clock: Clock::of_tokio(), ca: String::new() }).unwrap()
}

/// The response to a request.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The lines of a watch that has ended.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) async fn ask(
    cluster: &Cluster,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let service = cluster.service_as(UserInfo::administrator());
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { code: parts.status.as_u16(), headers: parts.headers, body }
}

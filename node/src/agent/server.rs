//! The kubelet's HTTP API, as the API server calls it: logs, pods, and resource usage.
//!
//! `exec`, `attach` and `portForward` are refused by name.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use rouse_kit::Clock;
use rouse_kit::mirror::Store;
use serde_json::json;
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::summary::Summary;
use super::usage::Usages;
use crate::logs::{LogError, LogOptions, Logs};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub type Body = BoxBody<Bytes, BoxError>;
/// The kubelet's API as a service.
pub type KubeletService = BoxCloneSyncService<Request<Bytes>, Response<Body>, BoxError>;

pub(super) fn service(
    logs: Logs,
    pods: Store<Pod>,
    usages: Arc<Usages>,
    clock: Clock,
) -> KubeletService {
    let server = Arc::new(Server { logs, pods, usages, clock });
    let service = tower::service_fn(move |request: Request<Bytes>| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(server.answer(&request).await) }
    });
    BoxCloneSyncService::new(service.map_err(BoxError::from))
}

/// A body that is sent as it is read.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

struct Server {
    logs: Logs,
    pods: Store<Pod>,
    usages: Arc<Usages>,
    clock: Clock,
}

impl Server {
    async fn answer(&self, request: &Request<Bytes>) -> Response<Body> {
        let parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["healthz"]) => text(StatusCode::OK, "ok"),
            (&Method::GET, ["pods"]) => self.pods(),
            (&Method::GET, ["stats", "summary"]) => {
                self.usages.refresh().await;
                let summary = json!(Summary::of(&self.usages));
                respond(StatusCode::OK, "application/json", full(summary.to_string()))
            }
            (&Method::GET, ["containerLogs", namespace, pod, container]) => {
                let query = request.uri().query().unwrap_or_default();
                self.container_logs((namespace, pod, container), query)
            }
            (_, [verb @ ("exec" | "attach" | "portForward" | "run"), ..]) => text(
                StatusCode::NOT_IMPLEMENTED,
                &format!("{verb} is not supported by this node agent yet"),
            ),
            (_, _) => text(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }

    fn pods(&self) -> Response<Body> {
        let items = self.pods.all();
        let items: Vec<&Pod> = items.iter().map(AsRef::as_ref).collect();
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items});
        respond(StatusCode::OK, "application/json", full(list.to_string()))
    }

    fn container_logs(
        &self,
        (namespace, pod, container): (&str, &str, &str),
        query: &str,
    ) -> Response<Body> {
        let mut options = match options(query, self.clock.now()) {
            Ok(options) => options,
            Err(why) => return text(StatusCode::BAD_REQUEST, &why),
        };
        // The run before is the newest one while the container waits to be started again.
        options.previous &=
            !self.pods.get(namespace, pod).is_some_and(|pod| waits_after_a_run(&pod, container));
        match self.logs.read(namespace, pod, container, options) {
            Ok(chunks) => {
                let body = BoxBody::new(Chunks(chunks));
                respond(StatusCode::OK, "text/plain", body)
            }
            Err(error @ LogError::NoRun { .. }) => {
                text(StatusCode::BAD_REQUEST, &error.to_string())
            }
            Err(error @ LogError::NoPrevious { .. }) => {
                text(StatusCode::BAD_REQUEST, &error.to_string())
            }
        }
    }
}

fn waits_after_a_run(pod: &Pod, container: &str) -> bool {
    let Some(status) = &pod.status else { return false };
    let init = status.init_container_statuses.iter().flatten();
    let status =
        status.container_statuses.iter().flatten().chain(init).find(|s| s.name == container);
    status.is_some_and(|status| {
        status.state.as_ref().is_some_and(|state| state.waiting.is_some())
            && status.last_state.as_ref().is_some_and(|last| last.terminated.is_some())
    })
}

/// Log options as the API server passes them on. Unknown ones are ignored, as by the kubelet.
fn options(query: &str, now: Timestamp) -> Result<LogOptions, String> {
    let mut options = LogOptions::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = || format!("invalid value {value:?} for {name}");
        let flag = || match &*value {
            "true" | "1" | "" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(wrong()),
        };
        // As the API validates it.
        let at_least = |least: i64| {
            let number: i64 = value.parse().map_err(|_| wrong())?;
            u64::try_from(number).ok().filter(|_| number >= least).ok_or_else(wrong)
        };
        match &*name {
            "follow" => options.follow = flag()?,
            "previous" => options.previous = flag()?,
            "timestamps" => options.timestamps = flag()?,
            "tailLines" => {
                options.tail_lines = Some(usize::try_from(at_least(0)?).unwrap_or(usize::MAX));
            }
            "limitBytes" => options.limit_bytes = Some(at_least(1)?),
            "sinceSeconds" => {
                let ago = SignedDuration::try_from(Duration::from_secs(at_least(1)?));
                let since = now.checked_sub(ago.unwrap_or(SignedDuration::MAX));
                options.since = Some(since.unwrap_or(Timestamp::MIN));
            }
            "sinceTime" => options.since = Some(value.parse().map_err(|_| wrong())?),
            _ => {}
        }
    }
    Ok(options)
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", full(text.to_owned()))
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;

//! The admin port: `/metrics`, `/healthz`, `/readyz` and the pages under `/debug/`.
//!
//! For operators and their tools on this machine; it changes nothing. Its answers are made from the
//! ledger of tasks, the parts, the metrics and the debug pages at each request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::debug::Debug;
use super::metrics::Metrics;
use super::process::{Lives, Process};
use crate::life::{Health, Ledger, PartReport, Shutdown, TaskReport, Tasks};

/// Connections at a time; a scraper and a few people need no more.
const CONNECTIONS: usize = 64;
/// For a request's head; a slower client is disconnected.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sources of the admin port's answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    ledger: Ledger,
    health: Health,
    metrics: Metrics,
    debug: Debug,
}

/// The whole state, as `rouse status` reads it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// No vital task or thread has ended.
    pub healthy: bool,
    /// Healthy, and every part and task does its work.
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_because: Option<String>,
    pub parts: Vec<PartReport>,
    pub tasks: Vec<TaskReport>,
}

impl Admin {
    #[must_use]
    pub fn new(ledger: Ledger, health: Health, metrics: Metrics, debug: Debug) -> Self {
        metrics.collector(Box::new(Process));
        metrics.collector(Box::new(Lives { ledger: ledger.clone(), health: health.clone() }));
        let tasks = ledger.clone();
        debug.page("tasks", "every kind of task: running, restarts, panics, last failure", {
            move || json!(tasks.report())
        });
        Self { ledger, health, metrics, debug }
    }

    /// Part by part and task by task, now.
    #[must_use]
    pub fn status(&self) -> Status {
        let (parts, tasks) = (self.health.report(), self.ledger.report());
        let ends_because = self.ledger.ends_because();
        let healthy = ends_because.is_none();
        let ready =
            healthy && parts.iter().all(|part| part.ready) && !tasks.iter().any(|row| row.down);
        Status { healthy, ready, ends_because, parts, tasks }
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, listener: TcpListener, tasks: Tasks, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // A client beyond the limit is disconnected, and may try again.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (admin, shutdown) = (self.clone(), shutdown.clone());
            tasks.detached("admin-connection", async move {
                let _place = place;
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = admin.answer(
                        request.method(),
                        request.uri().path(),
                        request.uri().query(),
                        request.headers(),
                    );
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                // An error means that the client broke off.
                let _ended = shutdown.run_until_cancelled(connection).await;
            });
        }
    }

    fn answer(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let text = "the admin port only answers GET\n".to_owned();
            return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        }
        let wants_json = headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
        match path {
            "/metrics" => reply(StatusCode::OK, OPENMETRICS, self.metrics.encode()),
            "/healthz" | "/livez" => match self.ledger.ends_because() {
                None => reply(StatusCode::OK, TEXT, "ok\n".to_owned()),
                Some(reason) => {
                    reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{reason}\n"))
                }
            },
            "/readyz" => {
                let status = self.status();
                let code =
                    if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                if wants_json {
                    return reply(code, JSON, pretty(&json!(status)));
                }
                let brief = status.ready && query.is_none_or(|query| !query.contains("verbose"));
                let text = if brief { "ok\n".to_owned() } else { readyz_text(&status) };
                reply(code, TEXT, text)
            }
            "/" | "/debug" | "/debug/" => reply(StatusCode::OK, HTML, self.index()),
            "/debug/status" => reply(StatusCode::OK, JSON, pretty(&json!(self.status()))),
            other => self.page(other),
        }
    }

    fn page(&self, path: &str) -> Response<Full<Bytes>> {
        let page = path.strip_prefix("/debug/").and_then(|name| self.debug.render(name));
        match page {
            Some(Ok(value)) => reply(StatusCode::OK, JSON, pretty(&value)),
            Some(Err(why)) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{why}\n")),
            None => {
                let text = format!("nothing is at {path}; /debug/ lists what there is\n");
                reply(StatusCode::NOT_FOUND, TEXT, text)
            }
        }
    }

    fn index(&self) -> String {
        let mut rows = String::new();
        let fixed = [
            ("/metrics", "OpenMetrics, for Prometheus"),
            ("/healthz", "whether the platform lives"),
            ("/readyz?verbose", "whether every part does its work"),
            ("/debug/status", "parts and tasks in one document"),
        ];
        let pages = self.debug.index();
        let pages = pages.iter().map(|(name, shows)| (format!("/debug/{name}"), *shows));
        for (path, shows) in
            fixed.iter().map(|(path, shows)| ((*path).to_owned(), *shows)).chain(pages)
        {
            rows.push_str(&format!(
                "<tr><td><a href=\"{path}\">{path}</a></td><td>{shows}</td></tr>\n"
            ));
        }
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>rouse</title>\n\
             <style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem}}td{{padding:.2rem 1.5rem .2rem 0}}</style>\n\
             <h1>Rouse: admin port</h1><table>\n{rows}</table></html>\n"
        )
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn reply(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// One line a part, as Kubernetes' own `/readyz?verbose`; then the tasks that are down.
fn readyz_text(status: &Status) -> String {
    let mut text = String::new();
    for part in &status.parts {
        match &part.reason {
            None => text.push_str(&format!("[+]{} ok\n", part.name)),
            Some(reason) => text.push_str(&format!("[-]{} not ready: {reason}\n", part.name)),
        }
    }
    for row in status.tasks.iter().filter(|row| row.down) {
        let why = row.last_failure.as_deref().unwrap_or("ended");
        text.push_str(&format!("[-]{}/{} is down: {why}\n", row.owner, row.kind));
    }
    text.push_str(if status.ready { "ready\n" } else { "not ready\n" });
    text
}

#[cfg(test)]
mod tests;

//! The request log: one line for each request that reached a revision, if an operator asks for it.
//!
//! While it is off, a request pays one relaxed load. Lines go through a bounded queue to a writer;
//! when it is full they are dropped and counted, since a slow reader of the log must not hold up
//! requests. Upstream: pkg/http/request_log.go.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header, request};
use tokio::sync::mpsc;

use crate::observe::go_template::{Field, Template, float};

/// Lines that may wait to be written.
const LINES: usize = 4096;

/// Whether requests are logged and how, followed live. The writer has the other end of the queue.
#[derive(Debug)]
pub(crate) struct RequestLog {
    on: AtomicBool,
    format: ArcSwapOption<Format>,
    lines: mpsc::Sender<String>,
    dropped: AtomicU64,
}

/// The format of lines, and which requests have one.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) template: Template,
    /// Whether requests marked as probes are logged too.
    pub(crate) probes: bool,
}

impl RequestLog {
    /// A log that is off, and its lines.
    pub(crate) fn new() -> (Self, mpsc::Receiver<String>) {
        let (lines, written) = mpsc::channel(LINES);
        let (on, format) = (AtomicBool::new(false), ArcSwapOption::empty());
        (Self { on, format, lines, dropped: AtomicU64::new(0) }, written)
    }

    pub(crate) fn set(&self, format: Option<Format>) {
        self.on.store(format.is_some(), Ordering::Relaxed);
        self.format.store(format.map(Arc::new));
    }

    /// The line of a request that has just arrived, if it is to be logged.
    pub(crate) fn begin(
        &self,
        parts: &request::Parts,
        host: &HeaderValue,
        remote: SocketAddr,
    ) -> Option<Line> {
        if !self.on.load(Ordering::Relaxed) {
            return None;
        }
        let format = self.format.load_full()?;
        let wanted = format.probes || !is_probe(&parts.headers);
        wanted.then(|| Line::begin(format, parts, host, remote))
    }

    pub(crate) fn write(&self, line: String) {
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines dropped because the queue to the writer was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Whether a request is marked as a probe by the kubelet or Knative.
fn is_probe(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    agent.starts_with(b"kube-probe/")
        || headers.contains_key("k-kubelet-probe")
        || headers.contains_key("k-network-probe")
}

/// The values of a request that its line may contain.
#[derive(Debug)]
pub(crate) struct Line {
    format: Arc<Format>,
    method: Method,
    uri: Uri,
    version: Version,
    host: HeaderValue,
    content_length: Option<HeaderValue>,
    chunked: bool,
    remote: SocketAddr,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    /// In the order in which the template names them.
    headers: Vec<Option<HeaderValue>>,
}

/// The end of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome<'a> {
    pub(crate) code: u16,
    pub(crate) size: u64,
    pub(crate) took: Duration,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) service: &'a str,
    pub(crate) configuration: &'a str,
    /// Name and address of the pod that answered, if one did.
    pub(crate) pod: Option<(&'a str, SocketAddr)>,
    /// The ID of the request's trace, if it is traced here.
    pub(crate) trace_id: Option<String>,
}

impl Line {
    fn begin(
        format: Arc<Format>,
        parts: &request::Parts,
        host: &HeaderValue,
        remote: SocketAddr,
    ) -> Self {
        let get = |name: &str| parts.headers.get(name).cloned();
        let headers =
            format.template.headers().map(|name| parts.headers.get(name).cloned()).collect();
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            host: host.clone(),
            content_length: get("content-length"),
            chunked: parts.headers.contains_key(header::TRANSFER_ENCODING),
            remote,
            user_agent: get("user-agent"),
            referer: get("referer"),
            traceparent: get("traceparent"),
            headers,
            format,
        }
    }

    pub(crate) fn render(&self, outcome: &Outcome<'_>) -> String {
        let mut headers = self.headers.iter();
        self.format.template.render(|field, out| {
            let mut text = |text: &str| out.push_str(text);
            match field {
                Field::Method => text(self.method.as_str()),
                Field::RequestUri => text(&self.uri.to_string()),
                Field::Path => text(self.uri.path()),
                Field::Host => text(&lossy(Some(&self.host))),
                Field::Proto => text(proto(self.version)),
                Field::ContentLength => text(&self.content_length()),
                Field::RemoteAddr => text(&self.remote.to_string()),
                Field::UserAgent => text(&lossy(self.user_agent.as_ref())),
                Field::Referer => text(&lossy(self.referer.as_ref())),
                Field::Header(_) => text(&lossy(headers.next().and_then(Option::as_ref))),
                Field::Code => number(out, outcome.code),
                Field::Size => number(out, outcome.size),
                Field::Latency => text(&float(outcome.took.as_secs_f64())),
                Field::Name => text(outcome.name),
                Field::Namespace => text(outcome.namespace),
                Field::Service => text(outcome.service),
                Field::Configuration => text(outcome.configuration),
                Field::PodName => text(outcome.pod.map(|(name, _)| name).unwrap_or_default()),
                Field::PodIp => {
                    let ip = outcome.pod.map(|(_, address)| address.ip().to_string());
                    text(&ip.unwrap_or_default());
                }
                Field::TraceId => match &outcome.trace_id {
                    Some(id) => text(id),
                    None => text(&self.sent_trace_id()),
                },
            }
        })
    }

    /// As Go's `Request.ContentLength`: -1 if it is unknown.
    fn content_length(&self) -> String {
        match &self.content_length {
            Some(length) => lossy(Some(length)),
            None if self.chunked => "-1".to_owned(),
            None => "0".to_owned(),
        }
    }

    /// The trace that the client named: the second part of `traceparent`.
    fn sent_trace_id(&self) -> String {
        let parent = lossy(self.traceparent.as_ref());
        parent.split('-').nth(1).unwrap_or_default().to_owned()
    }
}

fn number(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}

fn lossy(value: Option<&HeaderValue>) -> String {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn proto(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests;

//! The record of one request from its arrival to its end: counters, log line, span.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode, request};
use rouse_k8s::ObjectKey;
use rouse_kit::Clock;
use rouse_kit::traces::{RequestSpan, Traces};
use tokio::time::Instant;

use crate::observe::recorder::{Code, PHASES, Protocol, Recorder, Retry};
use crate::observe::request_log::{Line, Outcome, RequestLog};
use crate::state::pod::Pod;
use crate::state::settings::Settings;

/// The log, traces and clock with which a thread records its requests.
#[derive(Clone, Debug)]
pub(crate) struct Observers {
    /// The thread's number.
    pub(crate) thread: usize,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) traces: Traces,
    pub(crate) clock: Clock,
}

/// A request that has just arrived. `host` is the one that the client sent.
pub(crate) struct Arrival<'a> {
    pub(crate) at: Instant,
    pub(crate) parts: &'a request::Parts,
    pub(crate) host: &'a HeaderValue,
    pub(crate) remote: SocketAddr,
}

/// One request. Counted when it is finished.
#[derive(Debug)]
pub(crate) struct Record {
    thread: usize,
    arrived: Instant,
    protocol: Protocol,
    /// None until it is answered.
    status: Option<StatusCode>,
    /// Bytes of the answer's body.
    sent: u64,
    /// Absent unless requests are logged or traced.
    details: Option<Box<Details>>,
}

#[derive(Debug)]
struct Details {
    observers: Observers,
    settings: Arc<Settings>,
    revision: ObjectKey,
    line: Option<Line>,
    span: Option<RequestSpan>,
    pod: Option<Arc<Pod>>,
}

impl Record {
    /// For a request that is to go to `revision`.
    pub(crate) fn begin(
        observers: &Observers,
        arrival: &Arrival<'_>,
        revision: &ObjectKey,
        settings: &Arc<Settings>,
    ) -> Self {
        let Arrival { at: arrived, parts, host, remote } = *arrival;
        let line = observers.log.begin(parts, host, remote);
        let span = observers.traces.is_on().then(|| {
            let name = format!("{} {}", parts.method, settings.service);
            let start = SystemTime::from(observers.clock.at(arrived));
            let mut span = observers.traces.request(name, &parts.headers, start)?;
            describe(&mut span, parts, host, revision, settings);
            Some(span)
        });
        let span = span.flatten();
        let details = (line.is_some() || span.is_some()).then(|| {
            Box::new(Details {
                observers: observers.clone(),
                settings: Arc::clone(settings),
                revision: revision.clone(),
                line,
                span,
                pod: None,
            })
        });
        let protocol = Protocol::of(parts.version);
        Self { thread: observers.thread, arrived, protocol, status: None, sent: 0, details }
    }

    /// The `traceparent` header for the pod, if this request is traced.
    pub(crate) fn traceparent(&self) -> Option<HeaderValue> {
        self.details.as_ref()?.span.as_ref()?.traceparent()
    }

    /// The request is sent to `pod`.
    pub(crate) fn sent_to(&mut self, pod: &Arc<Pod>) {
        if let Some(details) = &mut self.details {
            details.pod = Some(Arc::clone(pod));
        }
    }

    /// Adds a finished phase of the request to its span.
    pub(crate) fn phase(&self, name: &'static str, from: Instant, to: Instant) {
        if let Some(details) = &self.details
            && let Some(span) = &details.span
        {
            let clock = details.observers.clock;
            span.child(name, clock.at(from).into(), clock.at(to).into());
        }
    }

    /// The head of the answer is sent.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Bytes of the answer are sent.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    pub(crate) fn retried(&self, recorder: &Recorder, retry: Retry) {
        recorder.retry(self.thread, retry);
    }

    /// This request waited for its pod to start; each phase lies between two of the `moments`.
    pub(crate) fn cold_start(&self, recorder: &Recorder, moments: [Instant; PHASES.len() + 1]) {
        let spans: [Duration; PHASES.len()] = std::array::from_fn(|phase| {
            moments[phase + 1].saturating_duration_since(moments[phase])
        });
        recorder.cold_start(self.thread, spans);
    }

    /// The request is over.
    pub(crate) fn finish(self, recorder: &Recorder) {
        let ended = Instant::now();
        let took = ended.saturating_duration_since(self.arrived);
        let code = self.status.map_or(Code::CLIENT_GONE, Code::of);
        recorder.request(self.thread, (code, self.protocol), took, self.sent);
        if let Some(details) = self.details {
            details.finish(self.status, self.sent, ended, took);
        }
    }
}

impl Details {
    fn finish(self, status: Option<StatusCode>, size: u64, ended: Instant, took: Duration) {
        let Self { observers, settings, revision, line, span, pod } = self;
        let code = status.map_or(499, |status| status.as_u16());
        let trace_id = span.as_ref().map(RequestSpan::trace_id);
        if let Some(line) = line {
            let pod = pod.as_ref().map(|pod| (pod.name.as_str(), pod.address));
            let outcome = Outcome {
                code,
                size,
                took,
                namespace: &revision.namespace,
                name: &revision.name,
                service: &settings.service,
                configuration: &settings.configuration,
                pod,
                trace_id,
            };
            observers.log.write(line.render(&outcome));
        }
        if let Some(mut span) = span {
            span.set_number("http.response.status_code", i64::from(code));
            if let Some(pod) = pod {
                span.set_text("k8s.pod.name", pod.name.clone());
            }
            if status.is_some_and(|status| status.is_server_error()) {
                span.failed(format!("answered with {code}"));
            }
            span.end(observers.clock.at(ended).into());
        }
    }
}

fn describe(
    span: &mut RequestSpan,
    parts: &request::Parts,
    host: &HeaderValue,
    revision: &ObjectKey,
    settings: &Settings,
) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (key, value) in [
        ("http.request.method", parts.method.to_string()),
        ("url.path", parts.uri.path().to_owned()),
        ("server.address", text(host.as_bytes())),
        ("network.protocol.version", Protocol::of(parts.version).label().to_owned()),
        ("k8s.namespace.name", revision.namespace.clone()),
        ("kn.revision.name", revision.name.clone()),
        ("kn.service.name", settings.service.to_string()),
        ("kn.configuration.name", settings.configuration.to_string()),
    ] {
        span.set_text(key, value);
    }
}

#[cfg(test)]
mod tests;

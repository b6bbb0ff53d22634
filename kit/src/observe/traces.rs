//! Traces of requests, exported by OTLP over HTTP; off unless an operator says where to.
//!
//! Spans are made with OpenTelemetry's own interface and not with `tracing`: the phases of a cold
//! start are known only afterwards, and a span of `tracing` cannot begin in the past.
//!
//! While off, a request pays one relaxed load. The exporter is replaced as a whole when the
//! settings change.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::fetch::{Connector, connector};

/// Time for one batch of spans to reach the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a collector's answer that are read.
const ANSWER_MAX: usize = 64 << 10;
/// Time for the last spans to be exported when the settings change or the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
pub const TRACEPARENT: &str = "traceparent";

/// Where spans go.
#[derive(Clone, Debug, PartialEq)]
pub enum Destination {
    /// An OTLP endpoint over HTTP, such as `http://collector:4318/v1/traces`.
    Otlp { endpoint: String },
    /// One line a span on stderr.
    Stderr,
}

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported to {endpoint:?}")]
pub struct TracesError {
    endpoint: String,
    #[source]
    source: opentelemetry_otlp::ExporterBuildError,
}

/// The process's traces. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces {
    on: Arc<AtomicBool>,
    current: Arc<ArcSwapOption<Exporting>>,
}

struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("on", &self.on).finish_non_exhaustive()
    }
}

impl Traces {
    /// Exports spans from now on, of a share of `rate` (0 to 1) of the requests whose `traceparent`
    /// does not decide it. Blocks until the spans before are exported. `runtime` runs the
    /// connections to the collector.
    pub fn export(
        &self,
        destination: &Destination,
        rate: f64,
        runtime: &Handle,
    ) -> Result<(), TracesError> {
        let builder = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(rate))))
            .with_resource(Resource::builder().with_service_name("rouse").build());
        let provider = match destination {
            Destination::Stderr => builder.with_simple_exporter(StderrExporter).build(),
            Destination::Otlp { endpoint } => {
                let exporter = SpanExporter::builder()
                    .with_http()
                    .with_http_client(Sender::new(runtime.clone()))
                    .with_protocol(Protocol::HttpBinary)
                    .with_endpoint(endpoint)
                    .with_timeout(EXPORT_TIMEOUT)
                    .build()
                    .map_err(|source| TracesError { endpoint: endpoint.clone(), source })?;
                builder.with_batch_exporter(exporter).build()
            }
        };
        let tracer = provider.tracer("rouse");
        self.replace(Some(Exporting { provider, tracer }));
        Ok(())
    }

    /// Traces nothing from now on. Blocking, like `export`.
    pub fn stop(&self) {
        self.replace(None);
    }

    fn replace(&self, next: Option<Exporting>) {
        self.on.store(next.is_some(), Ordering::Relaxed);
        if let Some(before) = self.current.swap(next.map(Arc::new)) {
            // Spans are lost if the collector does not take them in time.
            let _ended = before.provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        }
    }

    /// Whether any request is traced.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// A server's span for a request that began at `start`, a child of the `traceparent` that it
    /// brought; None if it is not to be traced.
    #[must_use]
    pub fn request(
        &self,
        name: String,
        headers: &HeaderMap,
        start: SystemTime,
    ) -> Option<RequestSpan> {
        if !self.on.load(Ordering::Relaxed) {
            return None;
        }
        let current = self.current.load_full()?;
        let parent = headers.get(TRACEPARENT).and_then(read_parent);
        let parent = parent
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let builder =
            current.tracer.span_builder(name).with_kind(SpanKind::Server).with_start_time(start);
        let span = current.tracer.build_with_context(builder, &parent);
        if !span.span_context().is_sampled() {
            return None;
        }
        let context = Context::new().with_remote_span_context(span.span_context().clone());
        Some(RequestSpan { span, context, exporting: current })
    }
}

/// One request's span. Ends when dropped, or at a stated time by `end`.
pub struct RequestSpan {
    span: opentelemetry_sdk::trace::Span,
    /// With this span as the parent.
    context: Context,
    exporting: Arc<Exporting>,
}

impl fmt::Debug for RequestSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSpan").field("context", self.span.span_context()).finish()
    }
}

impl RequestSpan {
    /// The header by which the next hop continues this trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        let context = self.span.span_context();
        let flags = context.trace_flags() & TraceFlags::SAMPLED;
        let text = format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags.to_u8());
        HeaderValue::from_str(&text).ok()
    }

    /// The id of the whole trace, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.span.span_context().trace_id().to_string()
    }

    pub fn set_text(&mut self, key: &'static str, value: String) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    pub fn set_number(&mut self, key: &'static str, value: i64) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    /// The request failed, by a fault that is not the client's.
    pub fn failed(&mut self, why: String) {
        self.span.set_status(Status::error(why));
    }

    /// Adds a finished part of the request, such as a phase of a cold start.
    pub fn child(&self, name: &'static str, start: SystemTime, end: SystemTime) {
        let tracer = &self.exporting.tracer;
        let builder = tracer.span_builder(name).with_start_time(start);
        tracer.build_with_context(builder, &self.context).end_with_timestamp(end);
    }

    pub fn end(mut self, at: SystemTime) {
        self.span.end_with_timestamp(at);
    }
}

/// A `traceparent` of W3C's Trace Context: `00-TRACE-SPAN-FLAGS` in hexadecimal digits. Later
/// versions may have more parts.
fn read_parent(header: &HeaderValue) -> Option<SpanContext> {
    let mut parts = header.to_str().ok()?.trim().split('-');
    let mut hex = |digits: usize| {
        parts.next().filter(|part| {
            let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            part.len() == digits && part.bytes().all(lower)
        })
    };
    let version = hex(2)?;
    let trace = TraceId::from_hex(hex(32)?).ok()?;
    let span = SpanId::from_hex(hex(16)?).ok()?;
    let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

/// Sends batches on the control plane's runtime, from whichever thread.
#[derive(Clone, Debug)]
struct Sender {
    client: Client<Connector, Full<Bytes>>,
    runtime: Handle,
}

impl Sender {
    fn new(runtime: Handle) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(connector()), runtime }
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(http::Response::from_parts(parts, body))
        };
        #[expect(clippy::disallowed_methods, reason = "awaited here, from a thread without tokio")]
        let sent =
            self.runtime.spawn(async move { tokio::time::timeout(EXPORT_TIMEOUT, sent).await });
        sent.await??
    }
}

/// Writes spans to stderr, like the log.
#[derive(Debug)]
struct StderrExporter;

impl opentelemetry_sdk::trace::SpanExporter for StderrExporter {
    async fn export(
        &self,
        batch: Vec<opentelemetry_sdk::trace::SpanData>,
    ) -> opentelemetry_sdk::error::OTelSdkResult {
        for span in batch {
            let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
            let context = &span.span_context;
            eprintln!(
                "trace={} span={} parent={} name={:?} took={took:?} {}",
                context.trace_id(),
                context.span_id(),
                span.parent_span_id,
                span.name,
                span.attributes
                    .iter()
                    .map(|a| format!("{}={} ", a.key, a.value))
                    .collect::<String>(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

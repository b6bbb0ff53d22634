//! `config-observability`: request logs, metrics and traces.
//!
//! Upstream: `pkg/observability`. Keys without effect here are checked all the same, so that a
//! mistake is not found only on a cluster where they have one.

use super::read::Reader;
use super::settings::{ConfigError, Data, Settings};

#[derive(Clone, Debug, PartialEq)]
pub struct ObservabilityConfig {
    pub enable_var_log_collection: bool,
    /// `${REVISION_UID}` in it stands for the Revision's uid; empty is no `status.logUrl`.
    pub revision_url_template: String,
    pub request_log_template: String,
    pub enable_request_log: bool,
    pub enable_probe_request_log: bool,
    pub metrics_protocol: String,
    pub request_metrics_protocol: String,
    pub tracing_protocol: String,
    /// URL of the collector, for the protocols that have one: `http://collector:4318/v1/traces`.
    pub tracing_endpoint: String,
    /// Share of requests that are traced, 0 to 1.
    pub tracing_sampling_rate: f64,
}

/// One line of JSON a request, in Go's template language.
pub const DEFAULT_REQUEST_LOG_TEMPLATE: &str = concat!(
    r#"{"httpRequest": {"requestMethod": "{{.Request.Method}}", "#,
    r#""requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "#,
    r#""status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "#,
    r#""userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "#,
    r#""serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "#,
    r#""latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "#,
    r#""traceId": "{{.TraceID}}"}"#
);

impl Default for ObservabilityConfig {
    fn default() -> Self {
        Self {
            enable_var_log_collection: false,
            revision_url_template: String::new(),
            request_log_template: DEFAULT_REQUEST_LOG_TEMPLATE.to_owned(),
            enable_request_log: false,
            enable_probe_request_log: false,
            metrics_protocol: "none".to_owned(),
            request_metrics_protocol: "none".to_owned(),
            tracing_protocol: "none".to_owned(),
            tracing_endpoint: String::new(),
            tracing_sampling_rate: 0.0,
        }
    }
}

impl ObservabilityConfig {
    /// The URL of a Revision's logs, if the operator has set one.
    #[must_use]
    pub fn log_url(&self, revision_uid: &str) -> Option<String> {
        let template = &self.revision_url_template;
        (!template.is_empty()).then(|| template.replace("${REVISION_UID}", revision_uid))
    }
}

const METRICS_PROTOCOLS: &[&str] = &["none", "prometheus", "grpc", "http/protobuf"];
const TRACING_PROTOCOLS: &[&str] = &["none", "stdout", "grpc", "http/protobuf"];

impl Settings for ObservabilityConfig {
    const NAME: &'static str = "config-observability";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let read = Reader(data);
        let mut config = Self::default();
        let var_log = &mut config.enable_var_log_collection;
        read.bool("logging.enable-var-log-collection", var_log)?;
        read.text("logging.revision-url-template", &mut config.revision_url_template);
        read.text("logging.request-log-template", &mut config.request_log_template);
        read.bool("logging.enable-request-log", &mut config.enable_request_log)?;
        read.bool("logging.enable-probe-request-log", &mut config.enable_probe_request_log)?;
        if config.request_log_template.is_empty() && config.enable_request_log {
            let key = "logging.enable-request-log";
            let template = "logging.request-log-template";
            let problem = format!("{key:?} was set to true, but no {template:?} was specified");
            return Err(ConfigError::new(key, problem));
        }
        for (key, known, into) in [
            ("metrics-protocol", METRICS_PROTOCOLS, &mut config.metrics_protocol),
            ("request-metrics-protocol", METRICS_PROTOCOLS, &mut config.request_metrics_protocol),
            ("tracing-protocol", TRACING_PROTOCOLS, &mut config.tracing_protocol),
        ] {
            read.text(key, into);
            if !known.contains(&into.as_str()) {
                let problem =
                    format!("{key}: unsupported protocol {into:?}, should be one of {known:?}");
                return Err(ConfigError::new(key, problem));
            }
        }
        read.text("tracing-endpoint", &mut config.tracing_endpoint);
        let tracing = config.tracing_protocol.as_str();
        if matches!(tracing, "grpc" | "http/protobuf") && config.tracing_endpoint.is_empty() {
            let problem = format!("tracing-protocol is {tracing:?}, and no endpoint is given");
            return Err(ConfigError::new("tracing-endpoint", problem));
        }
        let key = "tracing-sampling-rate";
        read.float(key, &mut config.tracing_sampling_rate)?;
        if !(0.0..=1.0).contains(&config.tracing_sampling_rate) {
            let problem =
                format!("{key} = {}, must be between 0 and 1", config.tracing_sampling_rate);
            return Err(ConfigError::new(key, problem));
        }
        Ok(config)
    }
}

//! Records of requests: counters for metrics, lines of the request log, spans.

pub(crate) mod go_template;
pub(crate) mod histogram;
pub(crate) mod record;
pub(crate) mod recorder;
pub(crate) mod request_log;

//! Logs: one subscriber for the process, written to stderr.
//!
//! INFO is for events that concern a user, never one line per request or per reconcile.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line: `timestamp`, `level`, `target`, `message` and the fields beside it.
    Json,
}

/// Installs the subscriber. `filter` is in `RUST_LOG`'s syntax; one that does not parse is replaced
/// by `info`. A second call changes nothing.
pub fn init(filter: &str, format: Format) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = match format {
        Format::Text => fmt::layer().with_ansi(false).with_writer(std::io::stderr).boxed(),
        Format::Json => {
            fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
    };
    // Fails only if a subscriber is installed already, which then stays.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

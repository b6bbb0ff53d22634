//! Logs: one subscriber for the process, written to stderr.
//!
//! INFO is what a user would call an event, never one line per request or per reconcile.

use tracing_subscriber::EnvFilter;

/// Installs the subscriber. `filter` is in `RUST_LOG`'s syntax; one that does not parse gives way
/// to `info`. A second call changes nothing.
pub fn init(filter: &str, ansi: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .finish();
    // Refused only if a subscriber is already there, which then serves.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

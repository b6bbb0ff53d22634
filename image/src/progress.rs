//! Progress reports of a pull or a build.

use std::sync::Arc;

use crate::formats::digest::Digest;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins; a sentence without a full stop, for people.
    Step(String),
    /// `done` of a layer's `total` bytes are transferred.
    Layer { digest: Digest, done: u64, total: u64 },
    /// A layer was there already and is used again.
    Reused { digest: Digest, what: String },
}

/// Receives [`Progress`]; called from any thread, must not block for long.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// A progress function that discards its reports.
pub fn silent() -> ProgressFn {
    Arc::new(|_| {})
}

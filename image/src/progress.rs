//! Progress of a pull or a build, for whoever shows it.

use std::sync::Arc;

use crate::formats::digest::Digest;

/// What a pull or a build says while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins; a sentence without a full stop, for people.
    Step(String),
    /// A layer is `done` of `total` bytes far.
    Layer { digest: Digest, done: u64, total: u64 },
    /// A layer was there already and is used again.
    Reused { digest: Digest, what: String },
}

/// Receives [`Progress`]; called from any thread, must not block for long.
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// A progress function for callers who do not look.
pub fn silent() -> ProgressFn {
    Arc::new(|_| {})
}

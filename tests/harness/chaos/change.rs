//! One change, and when it was under way.

use std::time::Instant;

use super::transitions::Kind;

/// A change that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    /// Index of the Service; `None` if it affects all.
    pub(crate) service: Option<usize>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

//! The time at which a lookup is answered: at once or later.

/// Whether a lookup that was just started has its answer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The next observation holds the answer.
    AtOnce,
    /// The answer will wake the reconciler.
    Later,
}

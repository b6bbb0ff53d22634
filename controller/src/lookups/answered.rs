//! How soon a lookup is answered.

/// Whether a lookup that was just started has its answer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// What is observed now holds it.
    AtOnce,
    /// It will wake the reconciler.
    Later,
}

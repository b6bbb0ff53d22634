//! One signal that ends everything: a token that every loop selects on.

/// Cancelled once, seen by all clones. Children end with their parent, not the other way round.
pub type Shutdown = tokio_util::sync::CancellationToken;

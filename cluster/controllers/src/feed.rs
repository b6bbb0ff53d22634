//! Every change of every resource, in one order.

use std::sync::Arc;

use rouse_apiserver::store::{Event, Expired, Store};
use tokio::sync::watch;

/// A position in the order of all changes.
pub(super) struct Feed {
    store: Store,
    seen: u64,
    ordered: watch::Receiver<u64>,
}

impl Feed {
    /// The changes after now.
    pub(super) fn from_now(store: &Store) -> Self {
        Self { seen: store.version(), ordered: store.ordered(), store: store.clone() }
    }

    /// The next changes, at least one, as soon as they are ordered. Cancel-safe. After `Expired` it
    /// goes on from now, and the caller must reconcile every object.
    pub(super) async fn next(&mut self) -> Result<Vec<Arc<Event>>, Expired> {
        loop {
            // Marked as seen before the changes are read: one after that wakes the next wait.
            self.ordered.borrow_and_update();
            match self.store.changes_after(self.seen) {
                Ok((events, version)) => {
                    self.seen = version;
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
                Err(expired) => {
                    self.seen = self.store.version();
                    return Err(expired);
                }
            }
            if self.ordered.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

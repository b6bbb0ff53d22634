//! A watch: a position in the ring of one resource. It has no queue, so a slow watch costs no
//! memory; one that falls behind the ring gets [`Expired`].

use std::sync::Arc;

use tokio::sync::watch as signal;

use super::Store;
use crate::ring::{Event, Expired};

/// Events taken at a time.
const BATCH: usize = 256;

/// The changes of one resource, in order.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    resource: Arc<str>,
    seen: u64,
    changed: signal::Receiver<u64>,
    durable: signal::Receiver<u64>,
}

impl Watch {
    fn new(
        store: Store,
        resource: Arc<str>,
        seen: u64,
        changed: signal::Receiver<u64>,
        durable: signal::Receiver<u64>,
    ) -> Self {
        Self { store, resource, seen, changed, durable }
    }

    /// The next changes, at least one, as soon as they are ordered. Cancel-safe.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, Expired> {
        loop {
            // Marked as seen before the ring is read: a change after that wakes the next wait.
            self.changed.borrow_and_update();
            let events = self.store.events_after(&self.resource, self.seen, BATCH)?;
            if let Some(last) = events.last() {
                self.seen = last.version;
                return Ok(events);
            }
            if self.changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next changes, at least one, as soon as they are durable: for API clients.
    pub async fn next_durable(&mut self) -> Result<Vec<Arc<Event>>, Expired> {
        loop {
            self.changed.borrow_and_update();
            let durable = *self.durable.borrow_and_update();
            let mut events = self.store.events_after(&self.resource, self.seen, BATCH)?;
            let quiet = events.is_empty();
            events.retain(|event| event.version <= durable);
            if let Some(last) = events.last() {
                self.seen = last.version;
                return Ok(events);
            }
            let signal = if quiet { &mut self.changed } else { &mut self.durable };
            if signal.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The version up to which this watch has missed nothing, for bookmarks: among durable changes
    /// alone, or among all that are ordered.
    #[must_use]
    pub fn position(&mut self, durable: bool) -> u64 {
        let limit = if durable { *self.durable.borrow() } else { u64::MAX };
        self.seen = self.store.quiet_until(&self.resource, self.seen, limit);
        self.seen
    }
}

impl Store {
    /// The changes of a resource after `version`, as they are ordered.
    pub fn watch(&self, resource: &str, version: u64) -> Result<Watch, Expired> {
        let name: Arc<str> = resource.into();
        let changed = {
            let mut inner = self.shared.inner.write();
            let resource = inner.resource(&name);
            resource.ring.after(version, 0)?;
            resource.changed.subscribe()
        };
        Ok(Watch::new(self.clone(), name, version, changed, self.shared.durable.subscribe()))
    }
}

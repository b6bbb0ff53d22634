//! The last events of one resource, bounded in bytes, in order.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::object::Object;

/// Bytes of events kept per resource. A watcher that falls further behind lists again.
const BYTES: usize = 4 << 20;
/// Events kept per resource, whatever their size.
pub(super) const EVENTS: usize = 4096;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change, numbered.
#[derive(Debug)]
pub struct Event {
    /// The version that the change made; a deletion has one of its own.
    pub version: u64,
    pub change: Change,
    /// The object after the change; of a deleted one, its last state.
    pub object: Arc<Object>,
    /// The object before, for watchers that select: unknown for events from before a restart.
    pub previous: Option<Arc<Object>>,
    /// The event as a line of a plain JSON watch, written once for all who want it.
    pub encoded: OnceLock<Bytes>,
}

impl Event {
    pub(super) fn new(change: Change, object: Arc<Object>, previous: Option<Arc<Object>>) -> Self {
        Self {
            version: object.resource_version,
            change,
            object,
            previous,
            encoded: OnceLock::new(),
        }
    }
}

/// Too old: the events asked for are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// The oldest version from which a watch can go on.
    pub oldest: u64,
}

/// The events after `lost`, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// The version of the newest event that is no longer kept.
    lost: u64,
}

impl Ring {
    /// For a store that knows nothing of what happened up to `version`.
    pub(super) fn starting_after(version: u64) -> Self {
        Self { lost: version, ..Self::default() }
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.bytes += event.object.json.len();
        self.events.push_back(event);
        while self.bytes > BYTES || self.events.len() > EVENTS {
            let Some(old) = self.events.pop_front() else { break };
            self.bytes -= old.object.json.len();
            self.lost = old.version;
        }
    }

    /// Up to `limit` events after `version`.
    pub(super) fn after(&self, version: u64, limit: usize) -> Result<Vec<Arc<Event>>, Expired> {
        if version < self.lost {
            return Err(Expired { oldest: self.lost });
        }
        let start = self.events.partition_point(|event| event.version <= version);
        Ok(self.events.iter().skip(start).take(limit).cloned().collect())
    }
}

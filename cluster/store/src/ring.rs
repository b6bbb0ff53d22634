//! The last events of one resource, bounded in bytes, in order.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::object::Object;

/// Bytes of events kept per resource. A watcher that falls further behind lists again.
const BYTES: usize = 4 << 20;
/// Events kept per resource, whatever their size.
pub(super) const EVENTS: usize = 4096;

/// The newest events that stay whatever their age, as many as the API server's watch cache keeps at
/// least: kn watches an object from the object's own version, which may be days old, and does not list
/// again when it is told that this is too old.
pub(super) const LEAST: usize = 100;
/// Bytes that they may take.
const LEAST_BYTES: usize = 256 << 10;

/// The kind of a change.
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
    /// The object before the change, for selectors; unknown for events from before a restart.
    pub previous: Option<Arc<Object>>,
    /// The event as a line of a plain JSON watch, encoded once for all watches.
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
    /// A ring that holds no events up to `version`.
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

    /// Forgets the events up to `version` but the newest few.
    pub(super) fn forget(&mut self, version: u64) {
        while self.events.len() > LEAST || self.bytes > LEAST_BYTES {
            let old = self.events.pop_front_if(|event| event.version <= version);
            let Some(old) = old else { break };
            self.bytes -= old.object.json.len();
            self.lost = old.version;
        }
        // Twice what is left, so that the next few need no other room.
        self.events.shrink_to(self.events.len() * 2);
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::object::{Key, Prepared};

    /// An event at `version` whose object has this many bytes.
    fn event(version: u64, bytes: usize) -> Arc<Event> {
        let small = Prepared::new(Key::new("configmaps", "d", "a"), Value::Null, &[]);
        let json = Bytes::from(vec![b' '; bytes]);
        let object = Object { json, ..small.number(version) };
        Arc::new(Event::new(Change::Modified, Arc::new(object), None))
    }

    fn versions(ring: &Ring, after: u64, limit: usize) -> Result<Vec<u64>, u64> {
        let found = ring.after(after, limit).map_err(|expired| expired.oldest)?;
        Ok(found.iter().map(|event| event.version).collect())
    }

    #[test]
    fn a_watch_goes_on_after_its_version_or_is_told_that_it_is_too_old() {
        let mut ring = Ring::starting_after(10);
        for version in [12, 15, 20] {
            ring.push(event(version, 0));
        }
        assert_eq!(versions(&ring, 9, 9), Err(10));
        assert_eq!(versions(&ring, 10, 9), Ok(vec![12, 15, 20]));
        assert_eq!(versions(&ring, 12, 9), Ok(vec![15, 20]));
        assert_eq!(versions(&ring, 14, 1), Ok(vec![15]));
        assert_eq!(versions(&ring, 20, 9), Ok(vec![]));
        assert_eq!(versions(&ring, 99, 9), Ok(vec![]));
    }

    #[test]
    fn forgotten_events_make_room_and_older_watches_are_told() {
        let mut ring = Ring::default();
        for version in [2, 4, 6, 8] {
            ring.push(event(version, BYTES / 4));
        }
        ring.forget(1);
        assert_eq!(versions(&ring, 0, 9), Ok(vec![2, 4, 6, 8]));
        ring.forget(5);
        assert_eq!(versions(&ring, 3, 9), Err(4));
        assert_eq!(versions(&ring, 4, 9), Ok(vec![6, 8]));
        ring.push(event(9, BYTES / 2));
        assert_eq!(versions(&ring, 4, 9), Ok(vec![6, 8, 9]));
        ring.forget(99);
        assert_eq!(versions(&ring, 9, 9), Ok(vec![]));
        assert_eq!(versions(&ring, 8, 9), Err(9));
    }

    #[test]
    fn the_newest_small_events_stay_whatever_is_forgotten() {
        let mut ring = Ring::default();
        let last = u64::try_from(LEAST).unwrap() + 2;
        for version in 1..=last {
            ring.push(event(version, 10));
        }
        ring.forget(1);
        assert_eq!(versions(&ring, 1, usize::MAX).map(|kept| kept.len()), Ok(LEAST + 1));
        ring.forget(last);
        assert_eq!(versions(&ring, 2, usize::MAX).map(|kept| kept.len()), Ok(LEAST));
        assert_eq!(versions(&ring, 1, 1), Err(2));
    }

    #[test]
    fn large_objects_push_old_events_out_by_their_bytes() {
        let mut ring = Ring::default();
        for version in 1..=8 {
            ring.push(event(version, BYTES / 4));
        }
        assert_eq!(versions(&ring, 4, 9), Ok(vec![5, 6, 7, 8]));
        assert_eq!(versions(&ring, 3, 9), Err(4));
        // One byte more than there is room for.
        ring.push(event(9, 1));
        assert_eq!(versions(&ring, 4, 9), Err(5));
        assert_eq!(versions(&ring, 5, 9), Ok(vec![6, 7, 8, 9]));
        for version in 10..12 {
            ring.push(event(version, 0));
        }
        assert_eq!(versions(&ring, 5, 9), Ok(vec![6, 7, 8, 9, 10, 11]));
        ring.push(event(12, BYTES + 1));
        assert_eq!(versions(&ring, 12, 9), Ok(vec![]));
        ring.push(event(13, BYTES));
        assert_eq!(versions(&ring, 12, 9), Ok(vec![13]), "room is counted right after that");
    }

    #[test]
    fn small_events_are_kept_up_to_a_number() {
        let mut ring = Ring::default();
        let last = u64::try_from(EVENTS).unwrap() + 1;
        for version in 1..=last {
            ring.push(event(version, 0));
        }
        assert_eq!(versions(&ring, 1, usize::MAX).map(|kept| kept.len()), Ok(EVENTS));
        assert_eq!(versions(&ring, 0, 1), Err(1));
    }
}

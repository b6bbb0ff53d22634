//! The managed fields after a create, an update or a patch.

use serde_json::{Value, json};

use super::compare::compare;
use super::entries::{self, Entry, Operation, is_reset};
use super::reconcile::reconcile;
use super::set::Set;
use super::write::{Write, take};

/// Most entries of updates. Older ones become one.
const MOST_UPDATERS: usize = 10;
/// The manager of what older updates set.
const ANCIENT: &str = "ancient-changes";

/// Writes the managed fields of `new` after this writer made it of `live`; none for a new object.
///
/// What `new` brings along counts as the fields before, so that a client may edit them; a subresource's write
/// may not. An object that has none is not tracked, but a new one if `track` says so.
pub fn update(write: &Write<'_>, live: Option<&Value>, new: &mut Value, track: bool) {
    let before = || live.map(|live| entries::decode(live).unwrap_or_default()).unwrap_or_default();
    let entries = if !write.subresource.is_empty() {
        before()
    } else if is_reset(new) {
        Vec::new()
    } else {
        match entries::decode(new) {
            Ok(given) if !given.is_empty() => given,
            _ => before(),
        }
    };
    let untracked = entries.is_empty() && (live.is_some() || !track);
    let entries = if untracked { entries } else { after(write, live, new, entries) };
    entries::encode(new, entries);
}

/// The entries after a write.
pub(super) fn after(
    write: &Write<'_>,
    live: Option<&Value>,
    new: &Value,
    mut entries: Vec<Entry>,
) -> Vec<Entry> {
    served(write, &mut entries);
    let empty = json!({});
    let difference = write.changes(&compare(write.root(), live.unwrap_or(&empty), new));
    if take(&mut entries, &difference, None, true).is_err() {
        // A forced write has no conflicts.
        return entries;
    }
    let own = Write::owned(&difference.written());
    if own.is_empty() {
        return entries;
    }
    let mut entry = write.entry(Operation::Update, own);
    entry.time = Some(write.now.to_owned());
    match entries.iter_mut().find(|known| known.is_same(&entry)) {
        Some(known) => {
            entry.fields = entry.fields.union(&known.fields);
            *known = entry;
        }
        None => entries.push(entry),
    }
    capped(entries)
}

/// Drops the entries of versions that are no longer served, and brings the others in line with the schema.
pub(super) fn served(write: &Write<'_>, entries: &mut Vec<Entry>) {
    entries.retain(|entry| (write.serves)(&entry.api_version));
    for entry in entries {
        entry.fields = reconcile(write.root(), &entry.fields);
    }
}

/// At most [`MOST_UPDATERS`] entries of updates: the oldest of each version become one.
fn capped(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut updaters = entries.iter().filter(|entry| !entry.is_apply()).count();
    if updaters <= MOST_UPDATERS {
        return entries;
    }
    entries.sort_by(|a, b| (&a.time, &a.manager).cmp(&(&b.time, &b.manager)));
    let mut kept: Vec<Entry> = Vec::new();
    // The oldest of each version is where the next ones go.
    let mut buckets: Vec<usize> = Vec::new();
    for entry in entries {
        if entry.is_apply() || updaters <= MOST_UPDATERS {
            kept.push(entry);
            continue;
        }
        let same = |at: &usize| kept.get(*at).is_some_and(|k| k.api_version == entry.api_version);
        match buckets.iter().copied().find(same).and_then(|at| kept.get_mut(at)) {
            Some(bucket) => {
                bucket.manager = ANCIENT.to_owned();
                bucket.subresource = String::new();
                bucket.time = entry.time;
                let fields: Set = bucket.fields.union(&entry.fields);
                bucket.fields = fields;
                updaters -= 1;
            }
            None => {
                buckets.push(kept.len());
                kept.push(entry);
            }
        }
    }
    kept
}

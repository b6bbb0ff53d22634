//! Server-side apply: the object that a configuration makes of the live one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::{MOST_VALUES, check, is_bounded};
use super::compare::compare;
use super::contents::contents;
use super::entries::{self, Entry, Operation};
use super::error::{Conflict, Error};
use super::merge::merge;
use super::prune::prune;
use super::set::Set;
use super::shape::Place;
use super::update::{after, served};
use super::write::{Write, take};

/// The manager of what an untracked object held before its first apply.
const BEFORE: &str = "before-first-apply";
/// kubectl's manager, which takes over what its client-side apply has set.
const KUBECTL: &str = "kubectl";
/// The annotation of client-side apply.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Most bytes of all annotations together.
const MOST_ANNOTATIONS: usize = 256 << 10;

/// Applies a configuration to the live object, or to none; the result is not yet defaulted.
///
/// Fields of other managers that it changes are conflicts, unless `force` is given. Fields that this manager has
/// applied before and does not list now go, unless another owns them.
pub fn apply(
    write: &Write<'_>,
    live: Option<&Value>,
    config: &Value,
    force: bool,
) -> Result<Value, Error> {
    if config["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Error::HasManagedFields);
    }
    if !is_bounded(config) {
        return Err(Error::TooLarge { limit: MOST_VALUES });
    }
    check(write.root(), config).map_err(|why| Error::Untyped { object: described(config), why })?;
    let empty = json!({ "apiVersion": config["apiVersion"], "kind": config["kind"] });
    let current = live.unwrap_or(&empty);
    let mut before = entries::decode(current).map_err(Error::Undecodable)?;
    if before.is_empty() && live.is_some() {
        let first = Write { manager: BEFORE, ..*write };
        before = after(&first, None, current, before);
    }
    served(write, &mut before);
    let made = match once(write, current, config, before.clone(), force) {
        Err(Error::Conflicts(conflicts)) if write.manager == KUBECTL => {
            let left = not_from_last_applied(write.root(), current, config, conflicts);
            if !left.is_empty() {
                return Err(Error::Conflicts(left));
            }
            once(write, current, config, before, true)?
        }
        other => other?,
    };
    Ok(if write.manager == KUBECTL { with_last_applied(made, config) } else { made })
}

fn once(
    write: &Write<'_>,
    live: &Value,
    config: &Value,
    mut entries: Vec<Entry>,
    force: bool,
) -> Result<Value, Error> {
    let root = write.root();
    let mut own = write.entry(Operation::Apply, write.within(&contents(root, config)));
    let last = entries.iter().position(|entry| entry.is_same(&own)).map(|at| entries.remove(at));
    let mut owned = own.fields.clone();
    entries.iter().for_each(|entry| owned.add(&entry.fields));
    let last_fields = last.as_ref().map_or_else(Set::default, |last| last.fields.clone());
    let merged = prune(root, merge(root, live, config), &last_fields, &owned);
    let difference = write.changes(&compare(root, live, &merged));
    take(&mut entries, &difference, Some(&own), force)?;
    own.fields = Write::owned(&own.fields);
    // Nothing new keeps the time, so that applying the same again is no write.
    let same = merged == *live && last.as_ref().is_some_and(|last| last.fields == own.fields);
    own.time = match last {
        Some(last) if same => last.time,
        _ => Some(write.now.to_owned()),
    };
    entries.push(own);
    let mut made = merged;
    if made["metadata"].is_null() {
        made["metadata"] = json!({});
    }
    entries::encode(&mut made, entries);
    Ok(made)
}

/// `default/web; apps/v1, Kind=Deployment`
fn described(config: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meta = &config["metadata"];
    format!(
        "{}/{}; {}, Kind={}",
        text(&meta["namespace"]),
        text(&meta["name"]),
        text(&config["apiVersion"]),
        text(&config["kind"])
    )
}

/// The conflicts in fields that client-side apply has not set, or that have changed since.
fn not_from_last_applied(
    root: Place<'_>,
    live: &Value,
    config: &Value,
    conflicts: Vec<Conflict>,
) -> Vec<Conflict> {
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap_or_default();
    let Ok(last) = serde_json::from_str::<Value>(text) else { return conflicts };
    if last["apiVersion"] != config["apiVersion"] || check(root, &last).is_err() {
        return conflicts;
    }
    let since = compare(root, &last, live);
    let set = contents(root, &last).difference(&since.modified).difference(&since.removed);
    let allowed: BTreeSet<String> = set.paths().into_iter().collect();
    conflicts.into_iter().filter(|conflict| !allowed.contains(&conflict.field)).collect()
}

fn annotations_of(object: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    object.pointer_mut("/metadata/annotations")?.as_object_mut()
}

/// Keeps the annotation of client-side apply, where there is one, up to date.
fn with_last_applied(mut object: Value, config: &Value) -> Value {
    let Some(annotations) = annotations_of(&mut object) else {
        return object;
    };
    if annotations.get(LAST_APPLIED).is_none_or(|text| text == "") {
        return object;
    }
    let mut config = config.clone();
    if let Some(annotations) = annotations_of(&mut config) {
        annotations.remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.to_owned(), format!("{config}\n").into());
    let size: usize = annotations
        .iter()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > MOST_ANNOTATIONS {
        annotations.remove(LAST_APPLIED);
    }
    object
}

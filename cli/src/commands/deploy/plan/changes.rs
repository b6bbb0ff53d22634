//! Changes of one entry: NAME=VALUE, or NAME- to remove it.

use serde_json::{Value, json};

use super::json::{list, remove_where};
use crate::outcome::{Failure, Result};

pub(super) enum Change<'a> {
    Set(&'a str, &'a str),
    Remove(&'a str),
}

pub(super) fn change<'a>(flag: &str, text: &'a str) -> Result<Change<'a>> {
    if let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) {
        return Ok(Change::Set(name, value));
    }
    match text.strip_suffix('-').filter(|name| !name.is_empty()) {
        Some(name) => Ok(Change::Remove(name)),
        None => Err(Failure::usage(format!("--{flag} {text:?} is neither NAME=VALUE nor NAME-"))),
    }
}

/// Changes a map of texts.
pub(super) fn pairs(map: &mut Value, flag: &str, changes: &[String]) -> Result {
    for text in changes {
        match change(flag, text)? {
            Change::Set(name, value) => map[name] = value.into(),
            Change::Remove(name) => {
                map.as_object_mut().map(|map| map.remove(name));
            }
        }
    }
    Ok(())
}

/// Changes environment variables.
pub(super) fn variables(container: &mut Value, flag: &str, changes: &[String]) -> Result {
    for text in changes {
        match change(flag, text)? {
            Change::Set(name, value) => {
                set_variable(container, json!({ "name": name, "value": value }));
            }
            Change::Remove(name) => remove_where(container, "env", |entry| entry["name"] == name),
        }
    }
    Ok(())
}

/// Adds a variable, or replaces the one of its name.
pub(super) fn set_variable(container: &mut Value, entry: Value) {
    let env = list(container, "env");
    match env.iter_mut().find(|old| old["name"] == entry["name"]) {
        Some(old) => *old = entry,
        None => env.push(entry),
    }
}

//! Strategic merge patch: a merge patch that knows which lists are maps, and which directives a patch may hold.
//!
//! Lists merge by the key that the schema names; `$patch` deletes or replaces, `$retainKeys` drops what it does not name,
//! `$deleteFromPrimitiveList` and `$setElementOrder` take from and order a list.

use serde_json::{Map, Value};

use super::error::Error;
use super::order;
use super::work::Work;
use crate::structure::{Node, Strategy};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

pub(super) fn apply(root: &Node, document: &Value, patch: &Value) -> Result<Value, Error> {
    let (Value::Object(original), Value::Object(patch)) = (document, patch) else {
        return Err(Error::Malformed {
            what: "a strategic merge patch is a JSON object".to_owned(),
        });
    };
    Ok(Value::Object(object(Some(root), original, patch, &Work::new())?))
}

fn object(
    node: Option<&Node>,
    original: &Map<String, Value>,
    patch: &Map<String, Value>,
    work: &Work,
) -> Result<Map<String, Value>, Error> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                Ok(patch.iter().filter(|(k, _)| *k != DIRECTIVE).map(owned).collect())
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(Error::Directive {
                directive: directive.as_str().unwrap_or_default().to_owned(),
            }),
        };
    }
    let mut result = retained(original, patch)?;
    for (name, value) in patch {
        if let Some(field) = name.strip_prefix(DELETE_FROM) {
            delete_from(&mut result, field, value, work)?;
        } else if name == RETAIN || name.starts_with(ORDER) {
            // `$retainKeys` is applied above, `$setElementOrder` below.
        } else {
            let field = node.and_then(|n| n.field(name));
            merge_field(field, &mut result, name, value, work)?;
        }
    }
    for (directive, order) in patch {
        if let Some(name) = directive.strip_prefix(ORDER) {
            let strategy = node.and_then(|n| n.field(name)).and_then(|f| f.strategy.as_deref());
            reorder(&mut result, original, name, order, strategy, work)?;
        }
    }
    Ok(result)
}

/// The original, reduced to the keys of `$retainKeys` if the patch has it.
fn retained(
    original: &Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    let Some(keys) = patch.get(RETAIN) else { return Ok(original.clone()) };
    let Some(keys) = keys.as_array() else {
        return Err(Error::Shape { path: RETAIN.to_owned(), want: "a list of keys" });
    };
    Ok(original
        .iter()
        .filter(|(name, _)| keys.iter().any(|k| k == name.as_str()))
        .map(owned)
        .collect())
}

fn merge_field(
    field: Option<&Node>,
    result: &mut Map<String, Value>,
    name: &str,
    value: &Value,
    work: &Work,
) -> Result<(), Error> {
    let strategy = field.and_then(|f| f.strategy.as_deref());
    let merged = match (result.get(name), value) {
        (_, Value::Null) => {
            result.remove(name);
            return Ok(());
        }
        (Some(Value::Object(old)), Value::Object(new)) => {
            Value::Object(object(field, old, new, work)?)
        }
        (None, Value::Object(new)) => {
            let made = object(field, &Map::new(), new, work)?;
            // A patch that only deletes does not create the object.
            if made.is_empty() && new.contains_key(DIRECTIVE) {
                return Ok(());
            }
            Value::Object(made)
        }
        (Some(Value::Array(old)), Value::Array(new)) if strategy.is_some_and(|s| s.merge) => {
            Value::Array(list(field, strategy, old, new, work)?)
        }
        (None, Value::Array(new)) if strategy.is_some_and(|s| s.merge) => {
            Value::Array(list(field, strategy, &[], new, work)?)
        }
        (_, other) => other.clone(),
    };
    result.insert(name.to_owned(), merged);
    Ok(())
}

/// Merges two lists: of objects by their key, of scalars as sets.
fn list(
    field: Option<&Node>,
    strategy: Option<&Strategy>,
    old: &[Value],
    new: &[Value],
    work: &Work,
) -> Result<Vec<Value>, Error> {
    // Each item of the patch is compared with the items so far.
    work.spend_pairs(new.len(), old.len().saturating_add(new.len()))?;
    let key = strategy.and_then(|s| s.key.as_deref());
    let Some(key) = key else {
        let mut result = old.to_vec();
        for item in new {
            if !result.contains(item) {
                result.push(item.clone());
            }
        }
        return Ok(result);
    };
    let items = field.and_then(|f| f.resolve().items.as_deref());
    let mut result = if replaces(new) { Vec::new() } else { old.to_vec() };
    for item in new {
        let Value::Object(patch) = item else {
            return Err(Error::Shape { path: key.to_owned(), want: "a list of objects" });
        };
        let directive = patch.get(DIRECTIVE).and_then(Value::as_str);
        // `{"$patch": "replace"}` alone says that the rest of the list is the whole list.
        if directive == Some("replace") && patch.len() == 1 {
            continue;
        }
        let Some(identity) = patch.get(key) else {
            return Err(Error::NoMergeKey { item: item.to_string(), key: key.to_owned() });
        };
        match directive {
            Some("delete") => result.retain(|old| old.get(key) != Some(identity)),
            Some("merge" | "replace") | None => {
                merge_item(items, &mut result, key, identity, patch, work)?;
            }
            Some(other) => return Err(Error::Directive { directive: other.to_owned() }),
        }
    }
    Ok(result)
}

fn replaces(items: &[Value]) -> bool {
    items.iter().any(|item| item.get(DIRECTIVE).is_some_and(|d| d == "replace"))
}

fn merge_item(
    node: Option<&Node>,
    result: &mut Vec<Value>,
    key: &str,
    identity: &Value,
    patch: &Map<String, Value>,
    work: &Work,
) -> Result<(), Error> {
    let patch: Map<String, Value> =
        patch.iter().filter(|(name, _)| *name != DIRECTIVE).map(owned).collect();
    let found = result.iter_mut().find(|item| item.get(key) == Some(identity));
    match found {
        Some(Value::Object(old)) => *old = object(node, old, &patch, work)?,
        Some(other) => *other = Value::Object(object(node, &Map::new(), &patch, work)?),
        None => result.push(Value::Object(object(node, &Map::new(), &patch, work)?)),
    }
    Ok(())
}

fn delete_from(
    result: &mut Map<String, Value>,
    name: &str,
    gone: &Value,
    work: &Work,
) -> Result<(), Error> {
    let Some(gone) = gone.as_array() else {
        return Err(Error::Shape { path: format!("{DELETE_FROM}{name}"), want: "a list" });
    };
    if let Some(Value::Array(items)) = result.get_mut(name) {
        work.spend_pairs(items.len(), gone.len())?;
        items.retain(|item| !gone.contains(item));
    }
    Ok(())
}

fn reorder(
    result: &mut Map<String, Value>,
    original: &Map<String, Value>,
    name: &str,
    wanted: &Value,
    strategy: Option<&Strategy>,
    work: &Work,
) -> Result<(), Error> {
    let Some(wanted) = wanted.as_array() else {
        return Err(Error::Shape { path: format!("{ORDER}{name}"), want: "a list" });
    };
    let before =
        original.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if let Some(Value::Array(items)) = result.get_mut(name) {
        let key = strategy.and_then(|s| s.key.as_deref());
        work.spend_pairs(items.len(), wanted.len().saturating_add(before.len()))?;
        *items = order::sorted(std::mem::take(items), wanted, before, key);
    }
    Ok(())
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

//! `metadata.managedFields`: one entry for each manager, decoded and encoded.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::Set;

/// The kind of writes that an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
    /// RFC 3339.
    pub(super) time: Option<String>,
    pub(super) fields: Set,
}

impl Entry {
    pub(super) fn is_apply(&self) -> bool {
        self.operation == Operation::Apply
    }

    /// Whether two entries are one manager's: an applier is the same in every version.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.is_apply() || self.api_version == other.api_version)
    }

    fn encode(&self) -> Value {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("manager", self.manager.clone().into());
        put("operation", self.operation.as_str().into());
        put("apiVersion", self.api_version.clone().into());
        if let Some(time) = &self.time {
            put("time", time.clone().into());
        }
        put("fieldsType", "FieldsV1".into());
        put("fieldsV1", self.fields.encode());
        if !self.subresource.is_empty() {
            put("subresource", self.subresource.clone().into());
        }
        Value::Object(out)
    }
}

/// The entries of an object; none if it has none.
pub(super) fn decode(object: &Value) -> Result<Vec<Entry>, String> {
    let list = object["metadata"]["managedFields"].as_array();
    let mut entries = BTreeMap::new();
    for (index, value) in list.into_iter().flatten().enumerate() {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let operation = match value["operation"].as_str() {
            Some("Apply") => Operation::Apply,
            Some("Update") => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match value["fieldsType"].as_str() {
            Some("FieldsV1") => {}
            None | Some("") => {
                return Err(format!("missing fieldsType in managed fields entry {index}"));
            }
            Some(other) => {
                return Err(format!(
                    "invalid fieldsType {other:?} in managed fields entry {index}"
                ));
            }
        }
        let fields = Set::decode(&value["fieldsV1"]).map_err(|error| error.to_string())?;
        let entry = Entry {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: Some(text("time")).filter(|time| !time.is_empty()),
            fields,
        };
        let applied = entry.is_apply();
        let version = if applied { String::new() } else { entry.api_version.clone() };
        let identity = (entry.manager.clone(), operation, entry.subresource.clone(), version);
        // Of several with one identity the last counts.
        entries.insert(identity, entry);
    }
    Ok(entries.into_values().collect())
}

/// Whether somebody has applied the object.
#[must_use]
pub fn is_applied(object: &Value) -> bool {
    let list = object["metadata"]["managedFields"].as_array();
    list.into_iter().flatten().any(|entry| entry["operation"] == Operation::Apply.as_str())
}

/// Whether an object's managed fields ask to forget all managers: an empty list, or one empty entry.
pub(super) fn is_reset(object: &Value) -> bool {
    let Some(list) = object["metadata"]["managedFields"].as_array() else { return false };
    match list.as_slice() {
        [] => true,
        [Value::Object(entry)] => entry.values().all(Value::is_null),
        _ => false,
    }
}

/// Writes the entries into an object, in the order of the real server; none leaves the field out.
pub(super) fn encode(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by_cached_key(|e| {
        let time = e.time.clone().unwrap_or_default();
        (e.operation, time, e.manager.clone(), e.api_version.clone(), e.subresource.clone())
    });
    let list: Vec<Value> = entries.iter().map(Entry::encode).collect();
    let Some(meta) = object["metadata"].as_object_mut() else { return };
    if list.is_empty() {
        meta.remove("managedFields");
    } else {
        meta.insert("managedFields".to_owned(), Value::Array(list));
    }
}

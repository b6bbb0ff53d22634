//! A stored object: its JSON bytes, and the header that selectors and the collector need.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use super::head::{self, Head, OwnerReference};

/// Placeholder of the resource version; user text does not hold it by accident.
const MARK: &str = "\u{1}rv\u{1}";
/// The mark as JSON writes it.
const MARK_JSON: &str = "\"\\u0001rv\\u0001\"";

/// The identity of an object in the store. Ordered by resource, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `pods`, or `deployments.apps`.
    pub resource: Arc<str>,
    /// Empty for cluster-wide objects.
    pub namespace: String,
    pub name: String,
}

impl Key {
    #[must_use]
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// An owner as the garbage collector needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: String,
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub controller: bool,
    pub block_owner_deletion: bool,
}

impl From<OwnerReference> for Owner {
    fn from(read: OwnerReference) -> Self {
        Self {
            uid: read.uid,
            api_version: read.api_version,
            kind: read.kind,
            name: read.name,
            controller: read.controller == Some(true),
            block_owner_deletion: read.block_owner_deletion == Some(true),
        }
    }
}

/// One version of one object. Immutable; a change makes another.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub uid: String,
    pub resource_version: u64,
    pub generation: i64,
    pub labels: BTreeMap<String, String>,
    pub owners: Vec<Owner>,
    pub finalizers: Vec<String>,
    /// RFC 3339; set while the object waits for its finalizers or its grace period.
    pub deletion_timestamp: Option<String>,
    /// The fields that a field selector may name, besides name and namespace.
    pub fields: BTreeMap<String, String>,
    /// The JSON that is sent to clients.
    pub json: Bytes,
}

impl Object {
    /// Parses the whole object into a tree.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// The same object with other selectable fields.
    pub(super) fn selected_by(&self, fields: &[String]) -> Self {
        let mut object = header(self.key.clone(), &self.value(), fields);
        object.resource_version = self.resource_version;
        object.json = self.json.clone();
        object
    }

    /// Parses the whole object into a type.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.json)
    }

    /// The owner reference with `controller: true`, if there is one.
    #[must_use]
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }
}

/// An object that waits for its resource version; all that can be done outside the lock is done.
#[derive(Debug)]
pub struct Prepared {
    object: Object,
    before: Bytes,
    after: Bytes,
}

impl Prepared {
    /// Reads the header and writes the JSON. `fields` are the paths of selectable fields.
    #[must_use]
    pub fn new(key: Key, mut value: Value, fields: &[String]) -> Self {
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("resourceVersion".to_owned(), MARK.into());
        } else {
            value["metadata"] = serde_json::json!({ "resourceVersion": MARK });
        }
        let text = Bytes::from(serde_json::to_vec(&value).expect("a JSON value is JSON"));
        let at = find(&text, MARK_JSON.as_bytes()).unwrap_or(text.len());
        let object = header(key, &value, fields);
        Self {
            object,
            before: text.slice(..at),
            after: text.slice((at + MARK_JSON.len()).min(text.len())..),
        }
    }

    #[must_use]
    pub fn key(&self) -> &Key {
        &self.object.key
    }

    /// Its size in bytes without the resource version.
    #[must_use]
    pub fn size(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// The object as a dry run shows it: without a version.
    #[must_use]
    pub fn unnumbered(self) -> Object {
        let mut value: Value = serde_json::from_slice(&self.number_bytes(0)).unwrap_or_default();
        if let Some(meta) = value["metadata"].as_object_mut() {
            meta.remove("resourceVersion");
        }
        let json = Bytes::from(serde_json::to_vec(&value).expect("a JSON value is JSON"));
        Object { json, ..self.object }
    }

    /// The object as a dry run of a change shows it.
    #[must_use]
    pub fn numbered(self, version: u64) -> Object {
        self.number(version)
    }

    /// Sets the resource version.
    pub(super) fn number(self, version: u64) -> Object {
        let json = self.number_bytes(version);
        Object { resource_version: version, json, ..self.object }
    }

    fn number_bytes(&self, version: u64) -> Bytes {
        let mut json = BytesMut::with_capacity(self.size() + 22);
        json.put_slice(&self.before);
        json.put_slice(format!("\"{version}\"").as_bytes());
        json.put_slice(&self.after);
        json.freeze()
    }
}

/// Reads a stored object back; `None` if the bytes are no object.
pub(super) fn from_stored(key: Key, json: Bytes, fields: &[String]) -> Option<Object> {
    let Some(Head { meta, fields: mut found }) = head::read(&json, fields) else {
        // A header of unusual form is read by the general parser.
        let value: Value = serde_json::from_slice(&json).ok()?;
        let version = value["metadata"]["resourceVersion"].as_str()?.parse().ok()?;
        return Some(Object { resource_version: version, json, ..header(key, &value, fields) });
    };
    Some(Object {
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version?.parse().ok()?,
        generation: meta.generation.unwrap_or(0),
        labels: meta.labels.unwrap_or_default(),
        owners: meta.owner_references.into_iter().flatten().map(Owner::from).collect(),
        finalizers: meta.finalizers.unwrap_or_default(),
        deletion_timestamp: meta.deletion_timestamp,
        fields: fields.iter().map(|f| (f.clone(), found.remove(f).unwrap_or_default())).collect(),
        json,
        key,
    })
}

fn header(key: Key, value: &Value, fields: &[String]) -> Object {
    let meta = &value["metadata"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let owner = |o: &Value| Owner {
        uid: text(&o["uid"]),
        api_version: text(&o["apiVersion"]),
        kind: text(&o["kind"]),
        name: text(&o["name"]),
        controller: o["controller"] == true,
        block_owner_deletion: o["blockOwnerDeletion"] == true,
    };
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    Object {
        uid: text(&meta["uid"]),
        resource_version: 0,
        generation: meta["generation"].as_i64().unwrap_or(0),
        labels: strings(&meta["labels"]),
        owners: list(&meta["ownerReferences"]).iter().map(owner).collect(),
        finalizers: list(&meta["finalizers"]).iter().map(text).collect(),
        deletion_timestamp: meta["deletionTimestamp"].as_str().map(str::to_owned),
        fields: fields.iter().map(|path| (path.clone(), field(value, path))).collect(),
        json: Bytes::new(),
        key,
    }
}

fn strings(map: &Value) -> BTreeMap<String, String> {
    let Some(map) = map.as_object() else { return BTreeMap::new() };
    map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// The text at a dotted path; empty if there is none.
fn field(value: &Value, path: &str) -> String {
    let found = path.trim_start_matches('.').split('.').try_fold(value, |v, name| v.get(name));
    found.and_then(|value| head::text(value.clone())).unwrap_or_default()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    // The mark begins with a quote and a backslash, which is rare: a plain scan is quick.
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_set_without_reading_the_object_again() {
        let value = json!({ "data": { "a": "resourceVersion" }, "metadata": { "name": "x", "resourceVersion": "4" } });
        let prepared = Prepared::new(Key::new("configmaps", "d", "x"), value, &[]);
        let size = prepared.size();
        let object = prepared.number(17);
        assert_eq!(object.json.len(), size + "\"17\"".len());
        assert_eq!(object.value()["metadata"]["resourceVersion"], "17");
        assert_eq!(object.value()["data"]["a"], "resourceVersion");
    }

    #[test]
    fn the_header_holds_what_selectors_and_the_collector_ask_for() {
        let value = json!({
            "metadata": { "name": "p", "uid": "u", "labels": { "app": "a" }, "finalizers": ["f"],
                "ownerReferences": [{ "uid": "o", "kind": "ReplicaSet", "name": "r", "controller": true }] },
            "spec": { "nodeName": "n" }
        });
        let object =
            Prepared::new(Key::new("pods", "d", "p"), value, &["spec.nodeName".to_owned()])
                .number(1);
        assert_eq!(object.fields["spec.nodeName"], "n");
        assert_eq!(object.labels["app"], "a");
        assert_eq!(object.controller().map(|o| o.uid.as_str()), Some("o"));
        assert_eq!(object.finalizers, ["f"]);
    }

    fn owned() -> Value {
        let owner = |uid: &str, controller: Value, blocks: Value| {
            json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": uid,
                "controller": controller, "blockOwnerDeletion": blocks })
        };
        json!({
            "metadata": {
                "name": "p", "uid": "u", "resourceVersion": "7", "generation": 3,
                "labels": { "app": "a" }, "finalizers": ["f", "g"],
                "deletionTimestamp": "2025-01-01T00:00:00Z",
                "ownerReferences": [owner("one", false.into(), true.into()),
                    owner("two", true.into(), false.into()), owner("three", Value::Null, Value::Null)],
            },
            "spec": { "nodeName": "n", "replicas": 2 },
        })
    }

    #[test]
    fn the_header_of_a_stored_object_is_the_one_it_was_stored_with() {
        let key = || Key::new("pods", "d", "p");
        let fields = ["spec.nodeName", ".spec.replicas", "spec.no"].map(str::to_owned);
        let stored = Prepared::new(key(), owned(), &fields).number(7);
        assert_eq!(stored.fields[".spec.replicas"], "2");
        assert_eq!(stored.fields["spec.no"], "");
        let owners: Vec<_> = stored
            .owners
            .iter()
            .map(|owner| (owner.uid.as_str(), owner.controller, owner.block_owner_deletion))
            .collect();
        assert_eq!(owners, [("one", false, true), ("two", true, false), ("three", false, false)]);
        assert_eq!(stored.controller().map(|owner| owner.uid.as_str()), Some("two"));
        assert_eq!((stored.uid.as_str(), stored.generation), ("u", 3));
        assert_eq!(stored.deletion_timestamp.as_deref(), Some("2025-01-01T00:00:00Z"));

        let read = from_stored(key(), stored.json.clone(), &fields).expect("an object");
        assert_eq!(format!("{read:?}"), format!("{stored:?}"));
        // A selectable field of the metadata is read in the slow way, with the same outcome.
        let unusual = ["metadata.name".to_owned()];
        let slow = from_stored(key(), stored.json.clone(), &unusual).expect("an object");
        assert_eq!(slow.fields["metadata.name"], "p");
        assert_eq!((slow.resource_version, slow.owners), (7, read.owners));
        assert_eq!(slow.json, stored.json);
        assert!(from_stored(key(), Bytes::from("{}"), &fields).is_none(), "it has no version");

        let other = stored.selected_by(&["spec.replicas".to_owned()]);
        assert_eq!(other.fields, [("spec.replicas".to_owned(), "2".to_owned())].into());
        assert_eq!((other.resource_version, &other.json), (7, &stored.json));
        assert_eq!(other.decode::<Value>().unwrap(), stored.value());
    }

    #[test]
    fn a_dry_run_shows_no_version_or_the_one_before() {
        let prepared = || Prepared::new(Key::new("pods", "d", "p"), owned(), &[]);
        let created = prepared().unnumbered().value();
        assert_eq!(created["metadata"].get("resourceVersion"), None);
        assert_eq!(created["metadata"]["name"], "p");
        assert_eq!(prepared().numbered(7).value(), owned());
        let bare = Prepared::new(Key::new("pods", "d", "p"), json!({ "spec": 1 }), &[]).number(9);
        assert_eq!(bare.value(), json!({ "spec": 1, "metadata": { "resourceVersion": "9" } }));
    }
}

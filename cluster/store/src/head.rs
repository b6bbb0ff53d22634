//! Reads the header of a stored object without parsing all of it into a tree.
//!
//! Startup reads every object and thousands of events, and needs only their headers. The rest is
//! still checked to be JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The fields of the header.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Head {
    pub(super) meta: Meta,
    /// By path, only those that are there.
    pub(super) fields: BTreeMap<String, String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) owner_references: Option<Vec<OwnerReference>>,
    pub(super) finalizers: Option<Vec<String>>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OwnerReference {
    pub(super) uid: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) controller: Option<bool>,
    pub(super) block_owner_deletion: Option<bool>,
}

/// Reads the header of `json`; `wanted` are dotted paths. `None` if it is not of this form, which
/// does not mean that it is no object.
pub(super) fn read(json: &[u8], wanted: &[String]) -> Option<Head> {
    // serde_json does not check strings that it skips for UTF-8.
    let text = std::str::from_utf8(json).ok()?;
    let mut head = Head::default();
    let paths = wanted.iter().map(|path| (path.as_str(), path.trim_start_matches('.'))).collect();
    let part = Part { paths, meta: Some(&mut head.meta), fields: &mut head.fields };
    let mut from = serde_json::Deserializer::from_str(text);
    part.deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some(head)
}

/// One level of the tree, with the wanted paths at and below it.
struct Part<'a> {
    /// Each wanted path, and its rest from this level.
    paths: Vec<(&'a str, &'a str)>,
    /// At the top only.
    meta: Option<&'a mut Meta>,
    fields: &'a mut BTreeMap<String, String>,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let mut below = Vec::new();
            let mut here = None;
            for (path, left) in &self.paths {
                match left.split_once('.') {
                    Some((first, rest)) if first == key => below.push((*path, rest)),
                    None if *left == key => here = Some(*path),
                    Some(_) | None => {}
                }
            }
            if let Some(meta) = self.meta.as_deref_mut()
                && key == "metadata"
            {
                // Of the metadata only name and namespace are selectable; they are in the key.
                if !below.is_empty() || here.is_some() {
                    return Err(A::Error::custom("a field of the metadata is selectable"));
                }
                *meta = map.next_value()?;
            } else if let Some(path) = here {
                if let Some(text) = text(map.next_value()?) {
                    self.fields.insert(path.to_owned(), text);
                }
            } else if below.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                let part = Part { paths: below, meta: None, fields: self.fields };
                map.next_value_seed(part)?;
            }
        }
        Ok(())
    }
}

/// A selectable value as selectors compare it.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Owner;

    const POD: &str = r#"{"kind":"Pod","metadata":{"name":"p","uid":"u","resourceVersion":"7",
        "generation":2,"labels":{"app":"a"},"annotations":{"x":"{}"},"finalizers":["f"],
        "ownerReferences":[{"kind":"ReplicaSet","name":"r","uid":"o","controller":true}]},
        "spec":{"containers":[{"name":"c"}],"nodeName":"n"},"status":{"phase":"Running"}}"#;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn metadata_and_the_wanted_fields_are_read_and_nothing_else() {
        let head = read(POD.as_bytes(), &paths(&["spec.nodeName", ".status.phase", "spec.no"]));
        let Head { meta, fields } = head.unwrap();
        assert_eq!((meta.uid.as_deref(), meta.resource_version.as_deref()), (Some("u"), Some("7")));
        assert_eq!(meta.labels.unwrap()["app"], "a");
        assert_eq!(Owner::from(meta.owner_references.unwrap().remove(0)).kind, "ReplicaSet");
        let fields: Vec<_> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(fields, [(".status.phase", "Running"), ("spec.nodeName", "n")]);
    }

    #[test]
    fn what_is_no_json_is_no_header() {
        assert_eq!(read(&POD.as_bytes()[..POD.len() - 1], &[]), None, "cut off");
        let mut broken = POD.as_bytes().to_vec();
        let at = POD.find("{}").unwrap();
        broken[at] = 0xa5;
        assert_eq!(read(&broken, &[]), None, "bytes that are no text, in a part that is skipped");
        assert_eq!(read(b"[]", &[]), None);
    }
}

//! Readers of metadata: name, owner.

use kube::{Resource, ResourceExt};

/// The namespace of an object that has one.
pub(crate) fn namespace<K: Resource>(object: &K) -> &str {
    object.meta().namespace.as_deref().unwrap_or_default()
}

/// The name of an object; every stored object has one.
pub(crate) fn name<K: Resource>(object: &K) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// The UID of an object; every stored object has one.
pub(crate) fn uid<K: Resource>(object: &K) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

/// Whether `owner` controls `child`.
pub(crate) fn controls<O: Resource, C: Resource>(owner: &O, child: &C) -> bool {
    child
        .owner_references()
        .iter()
        .any(|r| r.controller == Some(true) && Some(&r.uid) == owner.meta().uid.as_ref())
}

/// Name of the controlling owner of kind `kind`.
pub(crate) fn owner_name<'a, C: Resource>(child: &'a C, kind: &str) -> Option<&'a str> {
    child
        .owner_references()
        .iter()
        .find(|r| r.controller == Some(true) && r.kind == kind)
        .map(|r| r.name.as_str())
}

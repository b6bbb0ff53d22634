//! Readers of metadata: name, owner.

use kube::Resource;
use rouse_k8s::{ObjectKey, object};

/// The namespace of an object that has one.
pub(crate) fn namespace<K: Resource>(object: &K) -> &str {
    object::namespace(object.meta())
}

/// The name of an object; every stored object has one.
pub(crate) fn name<K: Resource>(object: &K) -> &str {
    object::name(object.meta())
}

/// The UID of an object; every stored object has one.
pub(crate) fn uid<K: Resource>(object: &K) -> &str {
    object::uid(object.meta())
}

/// Namespace and name.
pub(crate) fn key<K: Resource>(object: &K) -> ObjectKey {
    ObjectKey::of(object.meta())
}

/// Whether `owner` controls `child`.
pub(crate) fn controls<O: Resource, C: Resource>(owner: &O, child: &C) -> bool {
    object::is_controlled_by(child.meta(), owner.meta())
}

/// Name of the controlling owner of kind `kind`.
pub(crate) fn owner_name<'a, C: Resource>(child: &'a C, kind: &str) -> Option<&'a str> {
    let owner = object::controller(child.meta()).filter(|owner| owner.kind == kind)?;
    Some(&owner.name)
}

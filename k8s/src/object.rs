//! Metadata of any object: its key, its owner, whether it is being deleted.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// Namespace and name: names an object among those of its kind. The namespace is empty for kinds
/// without namespaces.
///
/// Upstream: `k8s.io/apimachinery/pkg/types.NamespacedName`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Self {
        Self::new(namespace(meta), name(meta))
    }
}

/// `namespace/name`, or `name` alone. Upstream: client-go's `cache.MetaNamespaceKeyFunc`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// The name; every stored object has one.
#[must_use]
pub fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

/// The namespace; empty for kinds without namespaces.
#[must_use]
pub fn namespace(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// The UID; every stored object has one.
#[must_use]
pub fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

#[must_use]
pub fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(key).map(String::as_str)
}

#[must_use]
pub fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether the object was deleted and only waits for its finalizers or its grace period.
#[must_use]
pub fn is_terminating(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}

/// The owner that controls the object. Upstream: `metav1.GetControllerOf`.
#[must_use]
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether `owner` controls `child`. Upstream: `metav1.IsControlledBy`.
#[must_use]
pub fn is_controlled_by(child: &ObjectMeta, owner: &ObjectMeta) -> bool {
    controller(child).is_some_and(|reference| Some(&reference.uid) == owner.uid.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(uid: &str, controller: Option<bool>) -> ObjectMeta {
        let owner = OwnerReference { uid: uid.to_owned(), controller, ..OwnerReference::default() };
        ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() }
    }

    #[test]
    fn a_key_is_written_with_its_namespace_if_it_has_one() {
        assert_eq!(ObjectKey::new("shop", "cart").to_string(), "shop/cart");
        assert_eq!(ObjectKey::new("", "node-1").to_string(), "node-1");
        let meta = ObjectMeta { name: Some("cart".to_owned()), ..ObjectMeta::default() };
        assert_eq!(ObjectKey::of(&meta), ObjectKey::new("", "cart"));
    }

    #[test]
    fn what_metadata_does_not_say_is_empty_or_none() {
        let pairs = |key: &str| Some([(key.to_owned(), "yes".to_owned())].into());
        let full = ObjectMeta {
            namespace: Some("shop".to_owned()),
            name: Some("cart".to_owned()),
            uid: Some("u-1".to_owned()),
            labels: pairs("app"),
            annotations: pairs("note"),
            deletion_timestamp: Some(jiff::Timestamp::UNIX_EPOCH.into()),
            ..ObjectMeta::default()
        };
        assert_eq!((namespace(&full), name(&full), uid(&full)), ("shop", "cart", "u-1"));
        assert_eq!(ObjectKey::of(&full), ObjectKey::new("shop", "cart"));
        assert_eq!((label(&full, "app"), label(&full, "note")), (Some("yes"), None));
        assert_eq!((annotation(&full, "note"), annotation(&full, "app")), (Some("yes"), None));
        assert!(is_terminating(&full));
        let empty = ObjectMeta::default();
        assert_eq!((namespace(&empty), name(&empty), uid(&empty)), ("", "", ""));
        assert_eq!((label(&empty, "app"), annotation(&empty, "note")), (None, None));
        assert!(!is_terminating(&empty));
    }

    #[test]
    fn only_the_controlling_owner_controls() {
        let owner = ObjectMeta { uid: Some("u-1".to_owned()), ..ObjectMeta::default() };
        assert!(is_controlled_by(&owned("u-1", Some(true)), &owner));
        assert!(!is_controlled_by(&owned("u-2", Some(true)), &owner));
        assert!(!is_controlled_by(&owned("u-1", Some(false)), &owner));
        assert!(!is_controlled_by(&owned("u-1", None), &owner));
        assert!(!is_controlled_by(&ObjectMeta::default(), &owner));
        assert!(!is_controlled_by(&ObjectMeta::default(), &ObjectMeta::default()));
    }
}

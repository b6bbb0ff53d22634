//! Kinds as data: names, scope, verbs and fields of resources.
//!
//! Built-in kinds come from the committed tables in `cluster/schema/kinds/`, custom ones from CRDs at run time. Code per kind
//! exists only where behaviour differs: `defaults` and `validate`.

mod builtin;
mod crd;
pub mod defaults;
mod resource;
pub mod validate;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

pub use self::resource::{Column, Resource, ScalePaths, StorageVersion};

/// Group, version, plural.
type Key = (String, String, String);

/// All resources that are served: the built-in ones and those of CRDs.
#[derive(Debug)]
pub struct Kinds {
    resources: RwLock<BTreeMap<Key, Arc<Resource>>>,
}

impl Default for Kinds {
    fn default() -> Self {
        Self::new()
    }
}

impl Kinds {
    /// The built-in resources.
    #[must_use]
    pub fn new() -> Self {
        let resources = builtin::resources().into_iter().map(|r| (key(&r), Arc::new(r))).collect();
        Self { resources: RwLock::new(resources) }
    }

    /// The kind of the scale subresource, which is served as a part of other resources alone.
    #[must_use]
    pub fn scale() -> Resource {
        builtin::scale()
    }

    /// The kind of a Pod's binding subresource.
    #[must_use]
    pub fn binding() -> Resource {
        builtin::binding()
    }

    /// The kind of a ServiceAccount's token subresource.
    #[must_use]
    pub fn token_request() -> Resource {
        builtin::token_request()
    }

    /// The resource of a path: `("apps", "v1", "deployments")`.
    #[must_use]
    pub fn by_resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.resources.read().get(&key).cloned()
    }

    /// The resource of an object: `("apps", "v1", "Deployment")`.
    #[must_use]
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        let resources = self.resources.read();
        resources
            .values()
            .find(|r| r.group == group && r.version == version && r.kind == kind)
            .cloned()
    }

    /// Every resource, by group, version and plural.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Resource>> {
        self.resources.read().values().cloned().collect()
    }

    /// Adds or replaces a served resource.
    pub fn insert(&self, resource: Resource) -> Arc<Resource> {
        let resource = Arc::new(resource);
        self.resources.write().insert(key(&resource), Arc::clone(&resource));
        resource
    }

    /// Stops serving a CRD's resource; a built-in one stays.
    pub fn remove(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        let mut resources = self.resources.write();
        if resources.get(&key).is_none_or(|r| !r.custom) {
            return None;
        }
        resources.remove(&key)
    }
}

fn key(resource: &Resource) -> Key {
    (resource.group.clone(), resource.version.clone(), resource.plural.clone())
}

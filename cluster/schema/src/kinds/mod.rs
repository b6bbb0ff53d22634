//! Kinds are data: what a resource is called, where it lives, what its fields are.
//!
//! Built-in kinds come from the committed tables in `cluster/schema/kinds/`, custom ones from CRDs at run time. Code per kind
//! exists only where behaviour differs: `defaults` and `validate`.

mod builtin;
mod crd;
pub mod defaults;
pub mod events;
pub mod types;
pub mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;

use crate::schema::{Invalid, Schema};

/// Where a scale subresource finds its numbers, as simple JSON paths (`.spec.replicas`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    pub spec_replicas: String,
    pub status_replicas: String,
    pub label_selector: Option<String>,
}

/// A column of the table that `kubectl get` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    pub format: String,
    pub description: String,
    /// Above 0 only with `-o wide`.
    pub priority: i64,
    /// Where a CRD's column finds its value; built-in kinds have code for it.
    pub path: Option<String>,
}

/// One resource in one version.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub list_kind: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    /// There is a status subresource, and so a write elsewhere does not touch the status.
    pub status: bool,
    pub scale: Option<ScalePaths>,
    pub columns: Vec<Column>,
    /// Fields that a field selector may name besides name and namespace: `spec.nodeName`.
    pub selectable_fields: Vec<String>,
    pub schema: Arc<Schema>,
    /// From a CRD; its objects are read by schema and not by type.
    pub custom: bool,
    /// Of a CRD's versions: the one that is stored.
    pub storage: bool,
    /// Changes whenever the schema does, for the ETags of OpenAPI documents.
    pub fingerprint: u64,
}

impl Resource {
    /// One version of a CRD, checked as Kubernetes checks it: a structural schema, names, columns.
    pub fn from_crd(crd: &Value, version: &str) -> Result<Self, Vec<Invalid>> {
        crd::resource(crd, version)
    }

    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, or `pods` for the core group: how messages name the resource.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `Deployment.apps`, or `Pod` for the core group: how `is invalid` messages name the kind.
    #[must_use]
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// Whether this is that built-in kind.
    #[must_use]
    pub fn is(&self, group: &str, kind: &str) -> bool {
        !self.custom && self.group == group && self.kind == kind
    }
}

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

    /// Serves a resource, or serves it anew.
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

/// FNV-1a: stable between runs, which a client's cache of documents relies on.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

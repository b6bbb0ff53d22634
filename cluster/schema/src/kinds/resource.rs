//! One resource in one version, as data.

use std::sync::Arc;

use crate::structure::Schema;

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
    /// Columns above 0 are shown only with `-o wide`.
    pub priority: i64,
    /// Where a CRD's column finds its value; built-in kinds have code for it.
    pub path: Option<String>,
}

/// The group and version in which a resource's objects are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageVersion {
    pub group: String,
    pub version: String,
}

impl StorageVersion {
    /// The `apiVersion` of stored objects.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
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
    /// It has a status subresource: other writes do not change the status.
    pub status: bool,
    pub scale: Option<ScalePaths>,
    pub columns: Vec<Column>,
    /// Fields that a field selector may name besides name and namespace: `spec.nodeName`.
    pub selectable_fields: Vec<String>,
    pub schema: Arc<Schema>,
    /// A built-in kind that is stored, and that no controller acts on.
    pub inert: bool,
    /// From a CRD; its objects are read by schema and not by type.
    pub custom: bool,
    /// The form in which its objects are stored.
    pub storage: StorageVersion,
    /// Changes whenever the schema does, for the ETags of OpenAPI documents.
    pub fingerprint: u64,
}

impl Resource {
    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `deployments.apps`, or `pods` for the core group: how messages name the resource.
    #[must_use]
    pub fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// `Deployment.apps`, or `Pod` for the core group: how `is invalid` messages name the kind.
    #[must_use]
    pub fn qualified_kind(&self) -> String {
        qualified(&self.kind, &self.group)
    }

    /// The resource under whose name objects are stored, `deployments.apps`: both groups that serve
    /// Events have the same ones.
    #[must_use]
    pub fn stored_as(&self) -> String {
        qualified(&self.plural, &self.storage.group)
    }

    /// Whether this is the version in which objects are stored.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        self.storage.group == self.group && self.storage.version == self.version
    }

    /// Whether this is that built-in kind.
    #[must_use]
    pub fn is(&self, group: &str, kind: &str) -> bool {
        !self.custom && self.group == group && self.kind == kind
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

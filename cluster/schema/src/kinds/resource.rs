//! One resource in one version, as data.

use std::sync::Arc;

use crate::schema::Schema;

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

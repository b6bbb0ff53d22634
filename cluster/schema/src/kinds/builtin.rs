//! The built-in resources, read from the committed table of resources.

use std::sync::Arc;

use serde::Deserialize;

use super::resource::{Column, Resource, ScalePaths, StorageVersion};
use crate::structure::{Schema, types};

static RESOURCES: &str = include_str!("../../kinds/resources.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    group: String,
    version: String,
    kind: String,
    plural: String,
    /// The name in the table of types.
    r#type: String,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    namespaced: bool,
    /// All [`VERBS`] if absent.
    #[serde(default)]
    verbs: Option<Vec<String>>,
    #[serde(default)]
    status: bool,
    #[serde(default)]
    scale: bool,
    #[serde(default)]
    selectable: Vec<String>,
    /// Stored, and no controller acts on it.
    #[serde(default)]
    inert: bool,
    /// Name, type, format, priority.
    columns: Vec<(String, String, String, i64)>,
}

const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Every built-in resource.
pub(super) fn resources() -> Vec<Resource> {
    let rows: Vec<Row> =
        serde_json::from_str(RESOURCES).expect("the committed table of resources is well-formed");
    rows.into_iter().map(resource).collect()
}

fn resource(row: Row) -> Resource {
    Resource {
        singular: row.kind.to_lowercase(),
        list_kind: format!("{}List", row.kind),
        verbs: row.verbs.unwrap_or_else(|| VERBS.map(str::to_owned).to_vec()),
        scale: row.scale.then(|| ScalePaths {
            spec_replicas: ".spec.replicas".to_owned(),
            status_replicas: ".status.replicas".to_owned(),
            label_selector: Some(".spec.selector".to_owned()),
        }),
        columns: row.columns.into_iter().map(column).collect(),
        schema: Arc::new(Schema::of_type(&row.r#type)),
        custom: false,
        storage: storage(&row.group, &row.version, &row.kind),
        fingerprint: types::fingerprint(),
        group: row.group,
        version: row.version,
        kind: row.kind,
        plural: row.plural,
        short_names: row.short_names,
        categories: row.categories,
        namespaced: row.namespaced,
        status: row.status,
        selectable_fields: row.selectable,
        inert: row.inert,
    }
}

/// Events of both groups are stored as those of the core group; other kinds as they are served.
fn storage(group: &str, version: &str, kind: &str) -> StorageVersion {
    let group = if (group, kind) == ("events.k8s.io", "Event") { "" } else { group };
    StorageVersion { group: group.to_owned(), version: version.to_owned() }
}

/// The kind of the scale subresource, which is no resource of its own.
pub(super) fn scale() -> Resource {
    subresource("autoscaling", "Scale", "scales", "autoscaling.v1.Scale")
}

/// The kind of a Pod's binding subresource, which is no resource of its own here.
pub(super) fn binding() -> Resource {
    subresource("", "Binding", "bindings", "core.v1.Binding")
}

/// The kind of a ServiceAccount's token subresource, which is no resource of its own.
pub(super) fn token_request() -> Resource {
    let (group, type_name) = ("authentication.k8s.io", "authentication.v1.TokenRequest");
    subresource(group, "TokenRequest", "tokenrequests", type_name)
}

/// A kind that is served as a part of other resources.
fn subresource(group: &str, kind: &str, plural: &str, type_name: &str) -> Resource {
    resource(Row {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        r#type: type_name.to_owned(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: None,
        status: false,
        scale: false,
        selectable: Vec::new(),
        inert: false,
        columns: Vec::new(),
    })
}

fn column((name, kind, format, priority): (String, String, String, i64)) -> Column {
    Column { name, kind, format, description: String::new(), priority, path: None }
}

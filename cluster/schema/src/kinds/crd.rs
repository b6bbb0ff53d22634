//! A CRD's version as a resource.

use std::sync::Arc;

use rouse_k8s::hash::fnv1a_64;
use serde_json::Value;

use super::resource::{Column, Resource, ScalePaths, StorageVersion};
use crate::jsonpath;
use crate::structure::{
    Invalid, ParseError, Schema, default_problems, schema_rules, structural_problems,
};

const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

impl Resource {
    /// One version of a CRD, checked as Kubernetes checks it: a structural schema, names, columns.
    pub fn from_crd(crd: &Value, version: &str) -> Result<Self, Vec<Invalid>> {
        resource(crd, version)
    }
}

/// One version of a CRD, or its problems.
fn resource(crd: &Value, version: &str) -> Result<Resource, Vec<Invalid>> {
    let mut problems = structure(crd);
    let versions = crd["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(entry) = versions.iter().find(|v| v["name"] == version) else {
        problems.push(Invalid::not_found("spec.versions", &Value::String(version.to_owned())));
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let document = &entry["schema"]["openAPIV3Schema"];
    let schema = Schema::from_openapi(document).map_err(|error| vec![unreadable(&error)])?;
    let names = &crd["spec"]["names"];
    let kind = text(&names["kind"]);
    let or = |value: &Value, other: String| value.as_str().map_or(other, str::to_owned);
    Ok(Resource {
        group: text(&crd["spec"]["group"]),
        version: version.to_owned(),
        plural: text(&names["plural"]),
        singular: or(&names["singular"], kind.to_lowercase()),
        list_kind: or(&names["listKind"], format!("{kind}List")),
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: crd["spec"]["scope"] == "Namespaced",
        verbs: VERBS.map(str::to_owned).to_vec(),
        status: entry["subresources"]["status"].is_object(),
        scale: scale(&entry["subresources"]["scale"]),
        columns: columns(entry),
        selectable_fields: selectable(entry),
        fingerprint: fnv1a_64(document.to_string().as_bytes()),
        schema: Arc::new(schema),
        custom: true,
        inert: false,
        storage: StorageVersion {
            group: text(&crd["spec"]["group"]),
            version: versions
                .iter()
                .find(|v| v["storage"] == true)
                .map_or_else(|| version.to_owned(), |v| text(&v["name"])),
        },
        kind,
    })
}

/// The problems of a CRD: names, versions, schemas and columns.
pub(super) fn problems(crd: &Value) -> Vec<Invalid> {
    let mut found = structure(crd);
    for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
        if let Err(error) = Schema::from_openapi(&version["schema"]["openAPIV3Schema"]) {
            found.push(unreadable(&error));
        }
    }
    found
}

fn unreadable(error: &ParseError) -> Invalid {
    let at = "spec.validation.openAPIV3Schema";
    Invalid::value(at, &Value::String(String::new()), &error.to_string())
}

/// The same, but for invalid patterns, which only parsing the schema finds.
fn structure(crd: &Value) -> Vec<Invalid> {
    let mut found = Vec::new();
    let spec = &crd["spec"];
    names(crd, &mut found);
    conversion(&spec["conversion"], &mut found);
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.is_empty() {
        found.push(Invalid::required("spec.versions", "must have at least one version"));
    }
    let stored = versions.iter().filter(|v| v["storage"] == true).count();
    if !versions.is_empty() && stored != 1 {
        let shown = spec["versions"].as_array().map_or(0, Vec::len);
        found.push(Invalid::value(
            "spec.versions",
            &shown.into(),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        // With one version, Kubernetes reports problems at the schema's old `v1beta1` path.
        let alone = versions.len() == 1;
        let at = format!("spec.versions[{index}]");
        let schema_at = if alone {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("{at}.schema.openAPIV3Schema")
        };
        version_problems(version, &at, &schema_at, &mut found);
    }
    found
}

fn version_problems(version: &Value, at: &str, schema_at: &str, found: &mut Vec<Invalid>) {
    if version["name"].as_str().unwrap_or_default().is_empty() {
        found.push(Invalid::required(format!("{at}.name"), ""));
    }
    let schema = &version["schema"]["openAPIV3Schema"];
    if !schema.is_object() {
        found.push(Invalid::required(
            format!("{at}.schema.openAPIV3Schema"),
            "schemas are required",
        ));
        return;
    }
    let problems = structural_problems(schema, schema_at);
    if problems.is_empty() {
        found.extend(default_problems(schema, schema_at));
    }
    found.extend(problems);
    found.extend(schema_rules(schema, &format!("{at}.schema.openAPIV3Schema")));
    for (index, column) in
        version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate()
    {
        let place = format!("{at}.additionalPrinterColumns[{index}]");
        for field in ["name", "type", "jsonPath"] {
            if column[field].as_str().unwrap_or_default().is_empty() {
                found.push(Invalid::required(format!("{place}.{field}"), ""));
            }
        }
        if column["jsonPath"].as_str().is_some_and(|path| jsonpath::Path::parse(path).is_none()) {
            found.push(Invalid::value(
                format!("{place}.jsonPath"),
                &column["jsonPath"],
                "is an invalid jsonpath",
            ));
        }
    }
}

/// Only the strategy `None` is supported: no webhook is called to convert objects.
fn conversion(conversion: &Value, found: &mut Vec<Invalid>) {
    let at = "spec.conversion.strategy";
    match conversion["strategy"].as_str() {
        None | Some("" | "None") => {}
        Some("Webhook") => found.push(Invalid::forbidden(
            at,
            "conversion webhooks are not called by Rouse: use strategy None, with one version, or with versions whose objects have the same fields",
        )),
        Some(_) => found.push(Invalid::not_supported(
            at,
            &conversion["strategy"],
            &["None".to_owned()],
        )),
    }
}

fn names(crd: &Value, found: &mut Vec<Invalid>) {
    let spec = &crd["spec"];
    for (value, path) in [
        (&spec["group"], "spec.group"),
        (&spec["names"]["plural"], "spec.names.plural"),
        (&spec["names"]["kind"], "spec.names.kind"),
    ] {
        if value.as_str().unwrap_or_default().is_empty() {
            found.push(Invalid::required(path, ""));
        }
    }
    let scopes = ["Cluster", "Namespaced"].map(str::to_owned);
    match spec["scope"].as_str() {
        Some("Cluster" | "Namespaced") => {}
        Some(_) => found.push(Invalid::not_supported("spec.scope", &spec["scope"], &scopes)),
        None => found.push(Invalid::required("spec.scope", "")),
    }
    let want = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    let name = &crd["metadata"]["name"];
    if name.as_str().is_some_and(|n| n != want) {
        found.push(Invalid::value(
            "metadata.name",
            name,
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
}

fn scale(value: &Value) -> Option<ScalePaths> {
    Some(ScalePaths {
        spec_replicas: value["specReplicasPath"].as_str()?.to_owned(),
        status_replicas: value["statusReplicasPath"].as_str()?.to_owned(),
        label_selector: value["labelSelectorPath"].as_str().map(str::to_owned),
    })
}

/// The name, then `additionalPrinterColumns`, or the age if there are none.
fn columns(version: &Value) -> Vec<Column> {
    let mut columns = vec![Column {
        name: "Name".to_owned(),
        kind: "string".to_owned(),
        format: "name".to_owned(),
        description: String::new(),
        priority: 0,
        path: Some(".metadata.name".to_owned()),
    }];
    let listed =
        version["additionalPrinterColumns"].as_array().map(Vec::as_slice).unwrap_or_default();
    columns.extend(listed.iter().map(|column| Column {
        name: text(&column["name"]),
        kind: text(&column["type"]),
        format: text(&column["format"]),
        description: text(&column["description"]),
        priority: column["priority"].as_i64().unwrap_or(0),
        path: Some(text(&column["jsonPath"])),
    }));
    if listed.is_empty() {
        columns.push(Column {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            format: String::new(),
            description: String::new(),
            priority: 0,
            path: Some(".metadata.creationTimestamp".to_owned()),
        });
    }
    columns
}

fn selectable(version: &Value) -> Vec<String> {
    let fields = version["selectableFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    fields
        .iter()
        .filter_map(|f| Some(f["jsonPath"].as_str()?.trim_start_matches('.').to_owned()))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests;

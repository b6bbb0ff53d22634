//! Metadata: names, labels, annotations, owners and finalizers, of any kind.

use rouse_k8s::form;
use serde_json::Value;

use super::problems::{Field, Problems};
use crate::kinds::Resource;

/// All annotations together may have this many bytes.
const ANNOTATIONS: usize = 256 * 1024;

pub(super) fn check(
    resource: &Resource,
    object: &Value,
    old: Option<&Value>,
    found: &mut Problems,
) {
    let metadata = Field::new(object, "").at("metadata");
    name(resource, &metadata, found);
    labels(&metadata.at("labels"), found);
    annotations(&metadata.at("annotations"), found);
    owners(&metadata.at("ownerReferences"), found);
    for finalizer in metadata.at("finalizers").each() {
        found.form(&finalizer, form::qualified_name(finalizer.text()));
    }
    if let Some(old) = old {
        let before = Field::new(old, "").at("metadata");
        update(&metadata, &before, found);
    }
}

fn name(resource: &Resource, metadata: &Field<'_>, found: &mut Problems) {
    let form: fn(&str) -> Vec<String> =
        match (resource.custom, resource.group.as_str(), resource.kind.as_str()) {
            (false, "", "Namespace") => form::dns_1123_label,
            (false, "", "Service") => form::dns_1035_label,
            (false, "rbac.authorization.k8s.io", _) => path_segment,
            _ => form::dns_1123_subdomain,
        };
    let (name, prefix) = (metadata.at("name"), metadata.at("generateName"));
    if name.text().is_empty() {
        if prefix.text().is_empty() {
            found.required(&name, "name or generateName is required");
        } else {
            // The server appends a suffix, so a prefix may end with a dash.
            found.form(&prefix, form(prefix.text().trim_end_matches('-')));
        }
    } else {
        found.form(&name, form(name.text()));
    }
}

/// Names of RBAC objects may hold colons, and whatever else a path segment may.
fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let held = ['/', '%'].into_iter().filter(|&held| name.contains(held));
    held.map(|held| format!("may not contain '{held}'")).collect()
}

/// The labels of an object or a template.
pub(super) fn labels(labels: &Field<'_>, found: &mut Problems) {
    for (key, value) in labels.value.as_object().into_iter().flatten() {
        let key_value = Value::String(key.clone());
        found.form(&Field::new(&key_value, &labels.path), form::qualified_name(key));
        found.form(
            &Field::new(value, &labels.path),
            form::label_value(value.as_str().unwrap_or_default()),
        );
    }
}

fn annotations(annotations: &Field<'_>, found: &mut Problems) {
    let mut size = 0;
    for (key, value) in annotations.value.as_object().into_iter().flatten() {
        let key_value = Value::String(key.clone());
        found.form(
            &Field::new(&key_value, &annotations.path),
            form::qualified_name(&key.to_lowercase()),
        );
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS {
        found.too_long(annotations, ANNOTATIONS as u64);
    }
}

fn owners(owners: &Field<'_>, found: &mut Problems) {
    let mut controller: Option<String> = None;
    for owner in owners.each() {
        for (field, what) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            let field = owner.at(field);
            if field.text().is_empty() {
                found.invalid(&Field::new(&Value::String(String::new()), &field.path), what);
            }
        }
        if owner.at("controller").value == true {
            let shown = owner.at("name").text().to_owned();
            if let Some(other) = &controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {other} and {shown}"
                );
                found.invalid(owners, &detail);
            }
            controller = Some(shown);
        }
    }
}

fn update(metadata: &Field<'_>, before: &Field<'_>, found: &mut Problems) {
    for name in ["name", "namespace", "uid", "creationTimestamp"] {
        let (new, old) = (metadata.at(name), before.at(name));
        if new.is_set() && old.is_set() {
            found.immutable(&new, &old);
        }
    }
    if before.at("deletionTimestamp").is_set() {
        let (new, old) = (metadata.at("finalizers"), before.at("finalizers"));
        let had: Vec<&str> = old.each().map(|f| f.text()).collect();
        let added: Vec<String> = new
            .each()
            .map(|f| f.text())
            .filter(|f| !had.contains(f))
            .map(|f| format!("{f:?}"))
            .collect();
        if !added.is_empty() {
            let list = added.join(", ");
            found.forbidden(
                &new,
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
                ),
            );
        }
    }
}

/// A label selector's syntax.
pub(super) fn selector(selector: &Field<'_>, found: &mut Problems) {
    labels(&selector.at("matchLabels"), found);
    for requirement in selector.at("matchExpressions").each() {
        let (key, operator, values) =
            (requirement.at("key"), requirement.at("operator"), requirement.at("values"));
        match operator.text() {
            "In" | "NotIn" if values.len() == 0 => {
                found.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if values.len() > 0 => {
                found.forbidden(
                    &values,
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => found.invalid(&operator, "not a valid selector operator"),
        }
        found.form(&key, form::qualified_name(key.text()));
        for value in values.each() {
            found.form(&value, form::label_value(value.text()));
        }
    }
}

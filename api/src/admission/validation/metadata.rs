//! Metadata of the objects: names, owners, creator and last modifier.
//!
//! Upstream: `vendor/knative.dev/pkg/apis/metadata_validation.go`,
//! `pkg/apis/serving/metadata_validation.go`, `v1beta1/domainmapping_validation.go`.

use rouse_k8s::form;
use serde_json::Value;

use super::fields::{metadata, spec};
use crate::admission::json::{Look, same, strings};
use crate::config::domain::CLUSTER_DOMAIN;
use crate::terms::field_error::{CURRENT_FIELD, FieldError, FieldErrors, go_list};
use crate::terms::keys;

/// Checks a Service, Configuration or Route: its name, and no annotation that belongs on the
/// template.
pub(super) fn parent(object: &Value) -> FieldErrors {
    let mut errors = name(object);
    let details =
        "autoscaling annotations must be put under \"spec.template.metadata.annotations\" to work";
    for (key, _) in metadata(object).pairs("annotations") {
        if key.starts_with("autoscaling.knative.dev") {
            let error = FieldError::invalid_key(key, CURRENT_FIELD).with_details(details);
            errors.within("metadata.annotations", error);
        }
    }
    errors
}

/// Checks the object's name, or its `generateName`.
pub(super) fn name(object: &Value) -> FieldErrors {
    let of = metadata(object);
    let (name, prefix) = (of.text("name"), of.text("generateName"));
    let problem = |text: &str, problems: &[String], path: &str| {
        FieldError::new(format!("{text}: {}", go_list(problems)), path)
    };
    let prefix_problems =
        if prefix.is_empty() { Vec::new() } else { form::dns_1035_label_prefix(prefix) };
    let name_problems = if name.is_empty() { Vec::new() } else { form::dns_1035_label(name) };
    let error = if !prefix_problems.is_empty() {
        problem("not a DNS 1035 label prefix", &prefix_problems, "metadata.generateName")
    } else if !name_problems.is_empty() {
        problem("not a DNS 1035 label", &name_problems, "metadata.name")
    } else if name.is_empty() && prefix.is_empty() {
        FieldError::new("name or generateName is required", "metadata.name")
    } else {
        return FieldErrors::none();
    };
    error.into()
}

/// A label that names an owner must agree with the owner references.
pub(super) fn owner_label(object: &Value, label: &str, kind: &str) -> FieldErrors {
    let of = metadata(object);
    let labels = strings(of, "labels");
    let Some(owner) = labels.get(label) else { return FieldErrors::none() };
    let owned = of
        .list("ownerReferences")
        .iter()
        .any(|reference| reference.text("kind") == kind && reference.text("name") == owner);
    if owned {
        return FieldErrors::none();
    }
    FieldErrors::from(FieldError::missing(label)).via_field("metadata.labels")
}

/// The creator is immutable; the last modifier changes only with the spec.
pub(super) fn creator_and_modifier(old: &Value, object: &Value) -> FieldErrors {
    let before = strings(metadata(old), "annotations");
    let after = strings(metadata(object), "annotations");
    let mut errors = FieldErrors::none();
    if before.get(keys::CREATOR) != after.get(keys::CREATOR) {
        errors.push(FieldError::new("annotation value is immutable", keys::CREATOR));
    }
    let modifier = after.get(keys::LAST_MODIFIER);
    if before.get(keys::LAST_MODIFIER) != modifier && same(old.get("spec"), Some(spec(object))) {
        let value = modifier.map_or("", String::as_str);
        errors.push(FieldError::invalid(value, keys::LAST_MODIFIER));
    }
    errors
}

/// A DomainMapping's name is the domain.
pub(super) fn domain_name(object: &Value) -> FieldErrors {
    let of = metadata(object);
    let name = of.text("name");
    let mut errors = FieldErrors::none();
    if !of.text("generateName").is_empty() {
        errors.push(FieldError::disallowed("generateName"));
    }
    if let Some(problems) = form::fully_qualified_domain("name", name) {
        errors.push(FieldError::new(format!("invalid name {name:?}: {problems}"), "name"));
    }
    if name.ends_with(&format!(".{CLUSTER_DOMAIN}")) {
        let problem = format!(
            "invalid name {name:?}: must not be a subdomain of cluster local domain {CLUSTER_DOMAIN:?}"
        );
        errors.push(FieldError::new(problem, "name"));
    }
    errors.via_field("metadata")
}

//! The rules of each kind.

use serde_json::Value;

use super::fields::{metadata, spec};
use super::request::Request;
use super::traffic::{self, Owner};
use super::{annotations, callers, foreign, metadata as meta, revision as revisions, template};
use crate::admission::json::{Look, difference, strings};
use crate::terms::field_error::{FieldError, FieldErrors};
use crate::terms::keys;

/// A Service.
#[must_use]
pub fn service(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = meta::parent(object);
    let annotations = strings(metadata(object), "annotations");
    let rollout = annotations::rollout_duration(&annotations);
    errors.within("metadata", rollout.via_field("annotations"));
    errors.within("metadata.annotations", annotations::http_protocol(&annotations));
    let bounds = foreign::service_scale(&annotations, &request.config.autoscaler);
    errors.within("metadata.annotations", bounds);
    errors.within("metadata.annotations", callers::of(&annotations));
    errors.within("metadata.annotations", foreign::of_service_without_effect(&annotations));
    errors.extend(template::of(object, request));
    errors.within("spec", traffic::list(spec(object), Owner::Service));
    if let Some(old) = request.old {
        errors.within("metadata.annotations", meta::creator_and_modifier(old, object));
        errors.within("spec.template", template::unnamed_change(old, object));
    }
    errors
}

/// A Configuration.
#[must_use]
pub fn configuration(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = meta::parent(object);
    // They act as those of its Service, whose annotations it has.
    let annotations = strings(metadata(object), "annotations");
    let bounds = foreign::service_scale(&annotations, &request.config.autoscaler);
    errors.within("metadata.annotations", bounds);
    errors.extend(meta::owner_label(object, keys::SERVICE, "Service"));
    errors.extend(template::of(object, request));
    if let Some(old) = request.old {
        if metadata(object).list("ownerReferences").is_empty() {
            errors.within("metadata.annotations", meta::creator_and_modifier(old, object));
        }
        errors.within("spec.template", template::unnamed_change(old, object));
    }
    errors
}

/// A Route.
#[must_use]
pub fn route(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = meta::parent(object);
    errors.extend(meta::owner_label(object, keys::SERVICE, "Service"));
    let annotations = strings(metadata(object), "annotations");
    let rollout = annotations::rollout_duration(&annotations);
    errors.within("metadata", rollout.via_field("annotations"));
    errors.within("metadata.annotations", annotations::http_protocol(&annotations));
    errors.within("metadata.annotations", callers::of(&annotations));
    errors.within("spec", traffic::list(spec(object), Owner::Nobody));
    if let Some(old) = request.old.filter(|_| metadata(object).list("ownerReferences").is_empty()) {
        errors.within("metadata.annotations", meta::creator_and_modifier(old, object));
    }
    errors
}

/// A Revision. Its spec never changes.
#[must_use]
pub fn revision(object: &Value, request: Request<'_>) -> FieldErrors {
    if let Some(old) = request.old {
        let diff = difference(spec(old), spec(object));
        if !diff.is_empty() {
            let error = FieldError::new("Immutable fields changed (-old +new)", "spec");
            return error.with_details(diff).into();
        }
    }
    let mut errors = meta::name(object);
    let annotations = strings(metadata(object), "annotations");
    let scaling = annotations::autoscaling(&annotations, &request.config.autoscaler);
    errors.within("metadata.annotations", scaling);
    errors.extend(meta::owner_label(object, keys::CONFIGURATION, "Configuration"));
    if request.old.is_none() {
        errors.within("spec", revisions::spec(spec(object), request.config));
    }
    errors
}

/// A DomainMapping.
#[must_use]
pub fn domain_mapping(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = meta::domain_name(object);
    let annotations = strings(metadata(object), "annotations");
    errors.within("metadata.annotations", annotations::http_protocol(&annotations));
    if let Some(old) = request.old {
        errors.within("metadata.annotations", meta::creator_and_modifier(old, object));
    }
    let spec = spec(object);
    if spec.has("tls") && spec.field("tls").is_none_or(|tls| tls.text("secretName").is_empty()) {
        errors.push(FieldError::missing("spec.tls.secretName"));
    }
    let reference = spec.field("ref").unwrap_or(&Value::Null);
    let mut found = FieldErrors::none();
    for field in ["name", "apiVersion", "kind"] {
        if reference.text(field).is_empty() {
            found.push(FieldError::missing(field));
        }
    }
    if reference.has("group") {
        found.push(FieldError::disallowed("group"));
    }
    if reference.has("address") {
        found.push(FieldError::not_handled("address"));
    }
    let (namespace, wanted) = (metadata(object).text("namespace"), reference.text("namespace"));
    if !namespace.is_empty() && !wanted.is_empty() && namespace != wanted {
        let why = format!("parent namespace: {namespace:?} does not match ref: {wanted:?}");
        found.push(FieldError::new("mismatched namespaces", "namespace").with_details(why));
    }
    errors.within("spec.ref", found);
    errors
}

#[cfg(test)]
mod tests;

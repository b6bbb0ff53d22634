//! Validation: whether a document may be stored, and if not, everything that is wrong with it.
//!
//! Works on defaulted JSON, since it has to see fields that are not handled here and refuse them by
//! name. Messages and paths are Knative's; a field of Knative's that Rouse does not act on is
//! refused with the details `not handled by Rouse yet`.
//!
//! Upstream: `pkg/apis/serving/v1/*_validation.go`, `metadata_validation.go`.

mod annotations;
mod container;
mod image;
mod metadata;
mod pod;
mod probe;
mod security;
mod traffic;
mod volume;

use serde_json::Value;

use crate::config::ApiConfig;
use crate::field_error::{FieldError, FieldErrors};
use crate::json::{Look, difference, strings};
use crate::{keys, meta};
use traffic::Owner;

/// What a document is held against.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub config: &'a ApiConfig,
    /// The object as it is; None at creation.
    pub old: Option<&'a Value>,
}

/// A Service.
#[must_use]
pub fn service(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = metadata::parent(object);
    let annotations = strings(metadata(object), "annotations");
    let rollout = annotations::rollout_duration(&annotations);
    errors.within("metadata", rollout.via_field("annotations"));
    errors.within("metadata.annotations", annotations::without_effect(&annotations));
    errors.extend(spec_template(object, request));
    errors.within("spec", traffic::list(spec(object), Owner::Service));
    if let Some(old) = request.old {
        errors.within("metadata.annotations", metadata::creator_and_modifier(old, object));
        errors.within("spec.template", unnamed_change(old, object));
    }
    errors
}

/// A Configuration.
#[must_use]
pub fn configuration(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = metadata::parent(object);
    errors.extend(metadata::owner_label(object, keys::SERVICE, "Service"));
    errors.extend(spec_template(object, request));
    if let Some(old) = request.old {
        if metadata(object).list("ownerReferences").is_empty() {
            errors.within("metadata.annotations", metadata::creator_and_modifier(old, object));
        }
        errors.within("spec.template", unnamed_change(old, object));
    }
    errors
}

/// A Route.
#[must_use]
pub fn route(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = metadata::parent(object);
    errors.extend(metadata::owner_label(object, keys::SERVICE, "Service"));
    let annotations = strings(metadata(object), "annotations");
    let rollout = annotations::rollout_duration(&annotations);
    errors.within("metadata", rollout.via_field("annotations"));
    errors.within("spec", traffic::list(spec(object), Owner::Nobody));
    if let Some(old) = request.old.filter(|_| metadata(object).list("ownerReferences").is_empty()) {
        errors.within("metadata.annotations", metadata::creator_and_modifier(old, object));
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
    let mut errors = metadata::name(object);
    let annotations = strings(metadata(object), "annotations");
    let scaling = annotations::autoscaling(&annotations, &request.config.autoscaler);
    errors.within("metadata.annotations", scaling);
    errors.extend(metadata::owner_label(object, keys::CONFIGURATION, "Configuration"));
    if request.old.is_none() {
        errors.within("spec", revision_spec(spec(object), request.config));
    }
    errors
}

/// A DomainMapping.
#[must_use]
pub fn domain_mapping(object: &Value, request: Request<'_>) -> FieldErrors {
    let mut errors = metadata::domain_name(object);
    if let Some(old) = request.old {
        errors.within("metadata.annotations", metadata::creator_and_modifier(old, object));
    }
    let spec = spec(object);
    if spec.has("tls") {
        errors.push(FieldError::not_handled("spec.tls"));
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

fn metadata(object: &Value) -> &Value {
    object.field("metadata").unwrap_or(&Value::Null)
}

fn spec(object: &Value) -> &Value {
    object.field("spec").unwrap_or(&Value::Null)
}

fn template(object: &Value) -> &Value {
    spec(object).field("template").unwrap_or(&Value::Null)
}

/// The template of a Service or Configuration.
fn spec_template(object: &Value, request: Request<'_>) -> FieldErrors {
    let template = template(object);
    let mut errors = FieldErrors::none();
    errors.within("spec", revision_spec(spec(template), request.config));
    let of = metadata(template);
    let annotations = strings(of, "annotations");
    errors.within(
        "metadata.annotations",
        annotations::template(&annotations, &request.config.autoscaler),
    );
    errors.extend(template_name(of, metadata(object)));
    errors.via_field("spec.template")
}

/// The name that a template brings for its Revision.
fn template_name(template: &Value, parent: &Value) -> FieldErrors {
    let (name, prefix) = (template.text("name"), template.text("generateName"));
    if !prefix.is_empty() {
        let problems = meta::dns_1035_label_prefix(prefix);
        if !problems.is_empty() {
            let problem = format!("not a DNS 1035 label prefix: {}", meta::as_list(&problems));
            return FieldError::invalid(problem, "metadata.generateName").into();
        }
    }
    if name.is_empty() {
        return FieldErrors::none();
    }
    let problems = meta::dns_1035_label(name);
    if !problems.is_empty() {
        let problem = format!("not a DNS 1035 label: {}", meta::as_list(&problems));
        return FieldError::invalid(problem, "metadata.name").into();
    }
    if parent.text("name").is_empty() && !parent.text("generateName").is_empty() {
        // Nobody can know yet what it would have to begin with.
        return FieldError::disallowed("metadata.name").into();
    }
    let wanted = format!("{}-", parent.text("name"));
    if name.starts_with(&wanted) {
        return FieldErrors::none();
    }
    let problem = format!("{name:?} must have prefix {wanted:?}");
    FieldError::invalid(problem, "metadata.name").into()
}

/// A Revision that was named keeps its content.
fn unnamed_change(old: &Value, object: &Value) -> FieldErrors {
    let (before, after) = (template(old), template(object));
    let name = metadata(after).text("name");
    if name.is_empty() || metadata(before).text("name") != name {
        return FieldErrors::none();
    }
    let diff = difference(before, after);
    if diff.is_empty() {
        return FieldErrors::none();
    }
    let message = "Saw the following changes without a name change (-old +new)";
    FieldError::new(message, "metadata.name").with_details(diff).into()
}

/// A Revision's spec, its own or a template's.
fn revision_spec(spec: &Value, config: &ApiConfig) -> FieldErrors {
    let mut errors = pod::spec(spec, config);
    let defaults = &config.defaults;
    if let Some(seconds) = spec.int("timeoutSeconds") {
        let max = defaults.max_revision_timeout_seconds;
        if seconds < 0 || seconds > max {
            errors.push(FieldError::out_of_bounds(seconds, 0, max, "timeoutSeconds"));
        }
    }
    // Knative leaves these to chance; a negative time means nothing.
    for field in ["responseStartTimeoutSeconds", "idleTimeoutSeconds"] {
        if let Some(seconds) = spec.int(field).filter(|seconds| *seconds < 0) {
            let max = defaults.max_revision_timeout_seconds;
            errors.push(FieldError::out_of_bounds(seconds, 0, max, field));
        }
    }
    if let Some(limit) = spec.int("containerConcurrency") {
        let least = i64::from(!defaults.allow_container_concurrency_zero);
        let most = defaults.container_concurrency_max_limit;
        if limit < least || limit > most {
            errors.push(FieldError::out_of_bounds(limit, least, most, "containerConcurrency"));
        }
    }
    errors
}

#[cfg(test)]
mod tests;

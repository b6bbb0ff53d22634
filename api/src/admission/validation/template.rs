//! The template of a Service or Configuration.

use rouse_k8s::form;
use serde_json::Value;

use super::fields::{metadata, spec, template};
use super::request::Request;
use super::{annotations, revision};
use crate::admission::json::{Look, difference, strings};
use crate::terms::field_error::{FieldError, FieldErrors, go_list};

/// The problems of `spec.template`.
pub(super) fn of(object: &Value, request: Request<'_>) -> FieldErrors {
    let template = template(object);
    let mut errors = FieldErrors::none();
    errors.within("spec", revision::spec(spec(template), request.config));
    let of = metadata(template);
    let annotations = strings(of, "annotations");
    errors.within(
        "metadata.annotations",
        annotations::template(&annotations, &request.config.autoscaler),
    );
    errors.extend(template_name(of, metadata(object)));
    errors.via_field("spec.template")
}

/// Checks the name that a template gives its Revision.
fn template_name(template: &Value, parent: &Value) -> FieldErrors {
    let (name, prefix) = (template.text("name"), template.text("generateName"));
    if !prefix.is_empty() {
        let problems = form::dns_1035_label_prefix(prefix);
        if !problems.is_empty() {
            let problem = format!("not a DNS 1035 label prefix: {}", go_list(&problems));
            return FieldError::invalid(problem, "metadata.generateName").into();
        }
    }
    if name.is_empty() {
        return FieldErrors::none();
    }
    let problems = form::dns_1035_label(name);
    if !problems.is_empty() {
        let problem = format!("not a DNS 1035 label: {}", go_list(&problems));
        return FieldError::invalid(problem, "metadata.name").into();
    }
    if parent.text("name").is_empty() && !parent.text("generateName").is_empty() {
        // Its required prefix, the parent's name, is not known yet.
        return FieldError::disallowed("metadata.name").into();
    }
    let wanted = format!("{}-", parent.text("name"));
    if name.starts_with(&wanted) {
        return FieldErrors::none();
    }
    let problem = format!("{name:?} must have prefix {wanted:?}");
    FieldError::invalid(problem, "metadata.name").into()
}

/// A template that names its Revision may change only together with that name.
pub(super) fn unnamed_change(old: &Value, object: &Value) -> FieldErrors {
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

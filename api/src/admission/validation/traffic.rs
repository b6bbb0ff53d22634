//! Traffic: shares, tags and their targets.
//!
//! Upstream: `pkg/apis/serving/v1/route_validation.go`.

use std::collections::BTreeMap;

use rouse_k8s::form;
use serde_json::Value;

use crate::admission::json::Look;
use crate::terms::field_error::{CURRENT_FIELD, FieldError, FieldErrors, go_list};

/// The owner of the traffic. A Service's targets follow its own Configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Service,
    Nobody,
}

/// The `traffic` of a spec.
pub(super) fn list(spec: &Value, owner: Owner) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let mut tags: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sum = 0_i64;
    for (index, target) in spec.list("traffic").iter().enumerate() {
        errors.within(&format!("[{index}]"), one(target, owner));
        sum = sum.saturating_add(target.int("percent").unwrap_or(0));
        let tag = target.text("tag");
        if tag.is_empty() {
            continue;
        }
        let problems = form::dns_1035_label(tag);
        if !problems.is_empty() {
            let problem = format!("not a DNS 1035 label: {}", go_list(&problems));
            // Upstream puts this target's index here.
            errors.push(FieldError::invalid(problem, &format!("tag[{index}]")));
        }
        match tags.get(tag) {
            None => {
                tags.insert(tag, index);
            }
            Some(first) => errors.push(FieldError::about(
                format!("Multiple definitions for {tag:?}"),
                &[&format!("[{index}].tag"), &format!("[{first}].tag")],
            )),
        }
    }
    if sum != 100 {
        let message = format!("Traffic targets sum to {sum}, want 100");
        errors.push(FieldError::new(message, CURRENT_FIELD));
    }
    errors.via_field("traffic")
}

fn one(target: &Value, owner: Owner) -> FieldErrors {
    let mut errors = FieldErrors::none();
    let revision = target.text("revisionName");
    if let Some(latest) = target.field("latestRevision").and_then(Value::as_bool)
        && latest != revision.is_empty()
    {
        let message =
            format!("may not set revisionName {revision:?} when latestRevision is {latest}");
        errors.push(FieldError::new(message, "latestRevision"));
    }
    errors.extend(points_to(revision, target.text("configurationName"), owner));
    if let Some(percent) = target.int("percent").filter(|p| !(0..=100).contains(p)) {
        errors.push(FieldError::out_of_bounds(percent, 0, 100, "percent"));
    }
    if !target.text("url").is_empty() {
        errors.push(FieldError::disallowed("url"));
    }
    errors
}

fn points_to(revision: &str, configuration: &str, owner: Owner) -> FieldErrors {
    let valid = |name: &str, path: &str| {
        let problems = form::qualified_name(name);
        if problems.is_empty() {
            return FieldErrors::none();
        }
        FieldError::invalid_key(name, path).with_details(problems.join(", ")).into()
    };
    match (revision, configuration, owner) {
        ("", "", Owner::Service) => FieldErrors::none(),
        ("", "", Owner::Nobody) => {
            FieldError::missing_one_of(&["revisionName", "configurationName"]).into()
        }
        (_, configuration, Owner::Service) if !configuration.is_empty() => {
            FieldError::disallowed("configurationName").into()
        }
        (revision, "", _) => valid(revision, "revisionName"),
        ("", configuration, _) => valid(configuration, "configurationName"),
        (_, _, _) => FieldError::multiple_one_of(&["revisionName", "configurationName"]).into(),
    }
}

#[cfg(test)]
mod tests;

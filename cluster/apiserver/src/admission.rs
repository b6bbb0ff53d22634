//! Admission hooks: functions that may change or refuse a write before it is stored.

use std::sync::Arc;

use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};
use serde_json::{Value, json};

use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::patch;
use crate::status::Failure;

/// Reviews one request; on a real cluster the webhook calls the same function.
pub type Review = Arc<dyn Fn(&AdmissionRequest<DynamicObject>) -> AdmissionResponse + Send + Sync>;

/// One hook and its rules, which match writes of objects, not of their subresources.
#[derive(Clone)]
pub struct Hook {
    /// Named in a denial: `admission webhook "NAME" denied the request: …`.
    pub name: String,
    pub phase: Phase,
    pub rules: Vec<Rule>,
    pub review: Review,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// Mutating hooks come first, and may change the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Mutating,
    Validating,
}

/// Group, resources (plural; `*` is all) and operations (`CREATE`, `UPDATE`, `DELETE`).
#[derive(Clone, Debug)]
pub struct Rule {
    pub group: String,
    pub resources: Vec<String>,
    pub operations: Vec<String>,
}

impl Rule {
    fn matches(&self, resource: &Resource, operation: &str) -> bool {
        let among = |list: &[String], word: &str| list.iter().any(|x| x == word || x == "*");
        self.group == resource.group
            && among(&self.resources, &resource.plural)
            && among(&self.operations, operation)
    }
}

/// A write that is to be admitted.
pub(crate) struct Attempt<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) operation: &'static str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) user: &'a UserInfo,
    pub(crate) old: Option<&'a Value>,
    pub(crate) dry_run: bool,
}

/// Whether any hook of this phase matches.
pub(crate) fn wanted(hooks: &[Hook], phase: Phase, attempt: &Attempt<'_>) -> bool {
    matching(hooks, phase, attempt).next().is_some()
}

fn matching<'a>(
    hooks: &'a [Hook],
    phase: Phase,
    attempt: &'a Attempt<'_>,
) -> impl Iterator<Item = &'a Hook> {
    hooks.iter().filter(move |h| {
        h.phase == phase && h.rules.iter().any(|r| r.matches(attempt.resource, attempt.operation))
    })
}

/// Calls the matching hooks of one phase in order; a mutating hook's patch is applied to `object`.
pub(crate) fn review(
    hooks: &[Hook],
    phase: Phase,
    attempt: &Attempt<'_>,
    object: &mut Value,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    for hook in matching(hooks, phase, attempt) {
        let request = request(attempt, object).map_err(|error| {
            Failure::denied(&hook.name, 400, "", &format!("decoding request failed: {error}"))
        })?;
        let response = (hook.review)(&request);
        warnings.extend(response.warnings.clone().unwrap_or_default());
        if !response.allowed {
            let result = &response.result;
            return Err(Failure::denied(&hook.name, result.code, &result.reason, &result.message));
        }
        if let (Phase::Mutating, Some(bytes)) = (phase, response.patch) {
            let patch: Value = serde_json::from_slice(&bytes).map_err(|e| {
                Failure::internal(format!("the patch of webhook {:?} is not JSON: {e}", hook.name))
            })?;
            *object = patch::json(object, &patch).map_err(|e| {
                Failure::internal(format!(
                    "the patch of webhook {:?} cannot be applied: {e}",
                    hook.name
                ))
            })?;
        }
    }
    Ok(())
}

fn request(
    attempt: &Attempt<'_>,
    object: &Value,
) -> Result<AdmissionRequest<DynamicObject>, serde_json::Error> {
    let resource = attempt.resource;
    let kind =
        json!({ "group": resource.group, "version": resource.version, "kind": resource.kind });
    let plural = json!({ "group": resource.group, "version": resource.version, "resource": resource.plural });
    serde_json::from_value(json!({
        "uid": uuid::Uuid::new_v4().to_string(),
        "kind": kind, "resource": plural, "requestKind": kind, "requestResource": plural,
        "name": attempt.name, "namespace": attempt.namespace, "operation": attempt.operation,
        "userInfo": { "username": attempt.user.username, "groups": attempt.user.groups },
        "object": object, "oldObject": attempt.old, "dryRun": attempt.dry_run,
    }))
}

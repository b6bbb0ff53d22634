//! Admission: hooks that may change or refuse, and the rules of the kind between them.

use serde_json::Value;

use super::{Registry, address, decode, meta, strategy};
use crate::admission::{self, Attempt, Phase};
use crate::kinds::validate;
use crate::status::Failure;

impl Registry {
    /// Mutating hooks, defaults again, schema, rules of the kind, validating hooks.
    pub(super) fn admit(
        &self,
        attempt: &Attempt<'_>,
        object: &mut Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let hooks = self.hooks();
        if admission::wanted(&hooks, Phase::Mutating, attempt) {
            admission::review(&hooks, Phase::Mutating, attempt, object, warnings)?;
            decode::normalize(attempt.resource, object)?;
        }
        let resource = attempt.resource;
        if let Some(path) = strategy::of(resource).pod_annotations {
            address::check(path, resource, attempt.name, attempt.user, object, attempt.old)?;
        }
        let mut problems =
            if resource.custom { resource.schema.validate(object) } else { Vec::new() };
        problems.extend(validate::check(resource, object, attempt.old));
        if let Some(old) = attempt.old {
            problems.extend(meta::check_finalizers(object, old));
        }
        if !problems.is_empty() {
            return Err(Failure::invalid(resource, attempt.name, &problems));
        }
        admission::review(&hooks, Phase::Validating, attempt, object, warnings)
    }

    /// Validating hooks may refuse a deletion; mutating hooks are not called.
    pub(super) fn admit_deletion(&self, attempt: &Attempt<'_>) -> Result<(), Failure> {
        let mut none = Value::Null;
        admission::review(&self.hooks(), Phase::Validating, attempt, &mut none, &mut Vec::new())
    }
}

//! Changes: whole objects, patches, and the status and scale subresources.

use std::sync::Arc;

use serde_json::Value;

use super::create::{field_problems, is_crd};
use super::{Options, Registry, Validation, Written, meta};
use crate::admission::Attempt;
use crate::kinds::Resource;
use crate::patch;
use crate::status::Failure;
use crate::store::{Conflict, Object};

/// How often a patch is tried on a newer object before its writer hears of the conflict.
const PATCH_TRIES: usize = 5;

/// Which part of an object a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status, where that has a subresource.
    Main,
    Status,
    Scale,
}

/// A patch by its media type.
#[derive(Clone, Debug)]
pub enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
}

impl Registry {
    /// Stores a new state of an object.
    pub fn update(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        part: Part,
        mut object: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        if part == Part::Scale {
            return self.update_scale(resource, namespace, name, &object, options);
        }
        meta::check_kind(resource, &mut object)?;
        let given = meta::of(resource, &mut object)?
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if given != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let mut warnings = Vec::new();
        self.decode(resource, &mut object, options, &mut warnings)?;
        let meta = meta::of(resource, &mut object)?;
        meta::check_namespace(resource, meta, namespace)?;
        let version =
            meta.get("resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        if version.is_empty() && resource.custom {
            return Err(Failure::version_missing(resource, name));
        }
        for _ in 1..PATCH_TRIES {
            let current = self.get(resource, namespace, name)?;
            if !version.is_empty() && version != current.resource_version.to_string() {
                return Err(Failure::changed(resource, name));
            }
            check_uid(resource, &object, current.uid.as_str(), name)?;
            match self.write(resource, &current, part, object.clone(), options, &mut warnings) {
                // Without a version the writer asked to overwrite whatever is there.
                Err(failure) if failure.is_conflict() && version.is_empty() => {}
                other => return other.map(|object| Written { object, warnings }),
            }
        }
        Err(Failure::changed(resource, name))
    }

    /// Applies a patch to an object as it stands.
    pub fn patch(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        part: Part,
        change: &Patch,
        options: &Options,
    ) -> Result<Written, Failure> {
        for _ in 1..PATCH_TRIES {
            let current = self.get(resource, namespace, name)?;
            match self.patch_once(resource, &current, part, change, options) {
                Err(failure) if failure.is_conflict() && !names_version(change) => {}
                other => return other,
            }
        }
        Err(Failure::changed(resource, name))
    }

    fn patch_once(
        &self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        part: Part,
        change: &Patch,
        options: &Options,
    ) -> Result<Written, Failure> {
        let name = &current.key.name;
        let before = match part {
            Part::Scale => self.scale_of(resource, current)?,
            Part::Main | Part::Status => Self::in_version(resource, current.value()),
        };
        let mut object = match change {
            Patch::Json(p) => patch::json(&before, p),
            Patch::Merge(p) => patch::merge(&before, p),
            Patch::Strategic(p) => patch::strategic(&resource.schema, &before, p),
        }
        .map_err(|error| Failure::from_patch(&error))?;
        if part == Part::Scale {
            return self.update_scale(resource, &current.key.namespace, name, &object, options);
        }
        let problems = field_problems(resource, &object, options);
        let mut warnings = Vec::new();
        match options.validation {
            Validation::Strict if !problems.is_empty() => {
                return Err(Failure::strict_patch(&problems));
            }
            Validation::Warn => warnings = problems,
            Validation::Strict | Validation::Ignore => {}
        }
        meta::check_kind(resource, &mut object)?;
        let lenient = Options { validation: Validation::Ignore, ..options.clone() };
        self.decode(resource, &mut object, &lenient, &mut warnings)?;
        let asked = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !asked.is_empty() && asked != current.resource_version.to_string() {
            return Err(Failure::changed(resource, name));
        }
        let object = self.write(resource, current, part, object, options, &mut warnings)?;
        Ok(Written { object, warnings })
    }

    /// Puts `object` in the place of `current`, keeping what the writer may not say.
    fn write(
        &self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        part: Part,
        object: Value,
        options: &Options,
        warnings: &mut Vec<String>,
    ) -> Result<Arc<Object>, Failure> {
        let old = Self::in_version(resource, current.value());
        let name = &current.key.name;
        check_uid(resource, &object, &current.uid, name)?;
        let mut new = merge_parts(resource, part, object, &old);
        let meta = meta::of(resource, &mut new)?;
        meta::keep_identity(meta, &old);
        meta.insert("resourceVersion".to_owned(), current.resource_version.to_string().into());
        let attempt = Attempt {
            resource,
            operation: "UPDATE",
            namespace: &current.key.namespace,
            name,
            user: &options.user,
            old: Some(&old),
            dry_run: options.dry_run,
        };
        match part {
            Part::Main => self.admit(&attempt, &mut new, warnings)?,
            Part::Status | Part::Scale => check_status(resource, &new, name)?,
        }
        if part == Part::Main && meta::has_generation(resource) && meta::spec_differs(&new, &old) {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            new["metadata"]["generation"] = generation.into();
        }
        self.keep_allocated(resource, &mut new, &old);
        let crd = if is_crd(resource) && part == Part::Main {
            Some(self.establish(&mut new, Some(&old))?)
        } else {
            None
        };
        if new == old {
            return Ok(Arc::clone(current));
        }
        let prepared = self.prepared(resource, &new);
        if options.dry_run {
            return Ok(Arc::new(prepared.numbered(current.resource_version)));
        }
        let stored = if gone(&new) {
            self.remove(resource, prepared, current)?
        } else {
            self.store
                .replace(prepared, current.resource_version)
                .map_err(|c| conflict(resource, name, &c))?
        };
        if let Some(resources) = crd {
            self.serve_crd(resources);
        }
        Ok(stored)
    }
}

/// Nothing holds an object that is being deleted any more, and no grace period runs.
pub(super) fn gone(object: &Value) -> bool {
    let meta = &object["metadata"];
    let waiting = meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    let finalizers = !meta::texts(&meta["finalizers"]).is_empty()
        || !meta::texts(&object["spec"]["finalizers"]).is_empty();
    !meta["deletionTimestamp"].is_null() && !waiting && !finalizers
}

pub(super) fn conflict(resource: &Resource, name: &str, conflict: &Conflict) -> Failure {
    match conflict {
        Conflict::Missing => Failure::not_found(resource, name),
        Conflict::Exists => Failure::exists(resource, name),
        Conflict::Changed(_) => Failure::changed(resource, name),
    }
}

/// A writer that names a uid means that very object.
fn check_uid(resource: &Resource, object: &Value, uid: &str, name: &str) -> Result<(), Failure> {
    match object["metadata"]["uid"].as_str() {
        Some(given) if !given.is_empty() && given != uid => Err(Failure::conflict(
            resource,
            name,
            &format!(
                "Precondition failed: UID in precondition: {given}, UID in object meta: {uid}"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The new state: of a main write without the status, of a status write only that.
fn merge_parts(resource: &Resource, part: Part, object: Value, old: &Value) -> Value {
    if !resource.status {
        return object;
    }
    let (mut base, status) = match part {
        Part::Main | Part::Scale => (object, old.get("status").cloned()),
        Part::Status => (old.clone(), object.get("status").cloned()),
    };
    if let Some(map) = base.as_object_mut() {
        match status {
            Some(status) => map.insert("status".to_owned(), status),
            None => map.remove("status"),
        };
    }
    base
}

fn check_status(resource: &Resource, object: &Value, name: &str) -> Result<(), Failure> {
    let problems = if resource.custom { resource.schema.validate(object) } else { Vec::new() };
    if problems.is_empty() { Ok(()) } else { Err(Failure::invalid(resource, name, &problems)) }
}

/// A patch that says a version asks for just that object.
fn names_version(change: &Patch) -> bool {
    match change {
        Patch::Merge(p) | Patch::Strategic(p) => p["metadata"]["resourceVersion"].is_string(),
        Patch::Json(p) => p.as_array().is_some_and(|ops| {
            ops.iter().any(|op| {
                op["path"].as_str().is_some_and(|path| path.ends_with("/resourceVersion"))
            })
        }),
    }
}

//! Updates of objects: replacements, patches, and writes of subresources.

use std::sync::Arc;

use rouse_schema::kinds::{Resource, validate, versions};
use rouse_schema::patch;
use serde_json::Value;

use super::actor::Options;
use super::change::{Part, Patch, Target, Written};
use super::create::inert;
use super::managers::Owners;
use super::{Registry, decode, meta};
use crate::admission::Attempt;
use crate::status::Failure;
use crate::store::Object;

impl Registry {
    /// Replaces an object, or one part of it.
    pub(super) fn replace_object(
        &self,
        target: Target<'_>,
        part: Part,
        mut object: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, name } = target;
        match part {
            Part::Scale => return self.replace_scale(target, object, options),
            Part::Binding => return self.bind_pod(target, object, options),
            Part::Main | Part::Status | Part::Finalize => {}
        }
        meta::check_kind(resource, &mut object)?;
        meta::check_name(meta::of(resource, &mut object)?, name)?;
        let mut warnings = Vec::new();
        decode::decode(resource, &mut object, options, &mut warnings)?;
        let meta = meta::of(resource, &mut object)?;
        meta::check_namespace(resource, meta, namespace)?;
        let version = meta.get("resourceVersion").and_then(Value::as_str).unwrap_or_default();
        if version.is_empty() && resource.custom {
            return Err(Failure::version_missing(resource, name));
        }
        let written = self.on_newest(target, |current| {
            meta::check_version(resource, &object, current)?;
            check_uid(resource, &object, &current.uid, name)?;
            // Without a version the client overwrites whatever is stored.
            Ok(self.change_part(resource, current, part, object.clone(), Owners::Update, options))
        })?;
        Ok(with_warnings(written, warnings))
    }

    /// Patches the newest version of an object.
    pub(super) fn patch_object(
        &self,
        target: Target<'_>,
        part: Part,
        change: &Patch,
        options: &Options,
    ) -> Result<Written, Failure> {
        let names_version = names_version(change);
        self.on_newest(target, |current| {
            let patched = self.patch_once(target.resource, current, part, change, options);
            if names_version { patched.map(Ok) } else { Ok(patched) }
        })
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
        if part == Part::Scale {
            return self.patch_scale(resource, current, change, options);
        }
        let mut object =
            patched(resource, &versions::from_stored(resource, current.value()), change)?;
        let mut warnings = Vec::new();
        decode::decode_patched(resource, &mut object, options, &mut warnings)?;
        let meta = meta::of(resource, &mut object)?;
        meta::check_name(meta, name)?;
        meta::check_patched_namespace(meta, &current.key.namespace)?;
        meta::check_version(resource, &object, current)?;
        let written = self.change_part(resource, current, part, object, Owners::Update, options)?;
        Ok(with_warnings(written, warnings))
    }

    /// Replaces `current` by `object`, keeping the fields that the client may not set.
    pub(super) fn change_part(
        &self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        part: Part,
        object: Value,
        owners: Owners,
        options: &Options,
    ) -> Result<Written, Failure> {
        let old = versions::from_stored(resource, current.value());
        let name = &current.key.name;
        check_uid(resource, &object, &current.uid, name)?;
        let mut new = merge_parts(resource, part, object, &old);
        let meta = meta::of(resource, &mut new)?;
        meta::keep_identity(meta, &old);
        meta.insert("resourceVersion".to_owned(), current.resource_version.to_string().into());
        self.track(resource, part, Some(&old), &mut new, owners, options);
        let mut warnings = Vec::new();
        match part {
            Part::Main => {
                let attempt = Attempt {
                    resource,
                    operation: "UPDATE",
                    namespace: &current.key.namespace,
                    name,
                    user: &options.actor.user,
                    old: Some(&old),
                    dry_run: options.dry_run,
                };
                self.admit(&attempt, &mut new, &mut warnings)?;
                warnings.extend(inert(resource));
            }
            Part::Finalize => {
                let problems = validate::finalize(&new);
                if !problems.is_empty() {
                    return Err(Failure::invalid(resource, name, &problems));
                }
            }
            Part::Status | Part::Scale | Part::Binding => check_status(resource, &new, name)?,
        }
        let written = self.put(resource, (current, &old), part, new, options.dry_run)?;
        Ok(with_warnings(written, warnings))
    }

    /// Applies a trusted actor's function to the newest version of an object.
    pub(super) fn edit_object(
        &self,
        target: Target<'_>,
        part: Part,
        edit: &dyn Fn(&mut Value),
        options: &Options,
    ) -> Result<Written, Failure> {
        self.on_newest(target, |current| {
            let old = current.value();
            let mut new = old.clone();
            edit(&mut new);
            self.track_trusted(target.resource, &old, &mut new, options);
            Ok(self.put(target.resource, (current, &old), part, new, options.dry_run))
        })
    }
}

pub(super) fn with_warnings(written: Written, mut warnings: Vec<String>) -> Written {
    warnings.extend(written.warnings);
    Written { warnings, ..written }
}

/// The object after a patch.
pub(super) fn patched(
    resource: &Resource,
    before: &Value,
    change: &Patch,
) -> Result<Value, Failure> {
    match change {
        Patch::Json(p) => patch::json(before, p),
        Patch::Merge(p) => patch::merge(before, p),
        Patch::Strategic(p) => patch::strategic(&resource.schema, before, p),
    }
    .map_err(|error| Failure::from_patch(&error))
}

/// A uid in the request must be the object's.
pub(super) fn check_uid(
    resource: &Resource,
    object: &Value,
    uid: &str,
    name: &str,
) -> Result<(), Failure> {
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

/// The new state: a main write keeps the old status, a write of a part changes that part alone.
fn merge_parts(resource: &Resource, part: Part, object: Value, old: &Value) -> Value {
    if part == Part::Finalize {
        let mut new = old.clone();
        new["spec"]["finalizers"] = object["spec"]["finalizers"].clone();
        return new;
    }
    if !resource.status {
        return object;
    }
    let (mut base, status) = match part {
        Part::Status => (old.clone(), object.get("status").cloned()),
        Part::Main | Part::Scale | Part::Binding | Part::Finalize => {
            (object, old.get("status").cloned())
        }
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

/// Whether a patch names a version, and so must not be repeated on a newer one.
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

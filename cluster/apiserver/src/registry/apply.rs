//! Server-side apply: a configuration becomes the object, or is merged into it.

use std::sync::Arc;

use rouse_schema::kinds::{Resource, versions};
use rouse_schema::managed;
use serde_json::Value;

use super::actor::{Options, Validation};
use super::change::{Part, Target, Written};
use super::managers::Owners;
use super::update::with_warnings;
use super::{Registry, decode, meta};
use crate::status::Failure;
use crate::store::Object;

/// Attempts while others create and delete the object.
const TRIES: usize = 8;

impl Registry {
    pub(super) fn apply_object(
        &self,
        target: Target<'_>,
        part: Part,
        config: &Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, name } = target;
        if part == Part::Scale {
            return self.apply_scale(target, config, options);
        }
        check_type(resource, config)?;
        let given = config["metadata"]["name"].as_str().unwrap_or_default();
        if !given.is_empty() && given != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let warnings = duplicates(options)?;
        let options = &Options { duplicates: Vec::new(), ..options.clone() };
        for _ in 0..TRIES {
            let written = match self.get(resource, namespace, name) {
                Err(missing) if part != Part::Main => return Err(missing),
                Err(_) => match self.apply_new(target, config, options) {
                    Err(failure) if failure.is_already_exists() => continue,
                    other => other,
                },
                Ok(_) => {
                    let applied = self.on_newest(target, |current| {
                        self.apply_once(resource, current, part, config, options)
                    });
                    match applied {
                        Err(failure) if failure.is_not_found() && part == Part::Main => continue,
                        other => other,
                    }
                }
            };
            return written.map(|written| with_warnings(written, warnings));
        }
        Err(Failure::changed(resource, name))
    }

    fn apply_new(
        &self,
        target: Target<'_>,
        config: &Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, name } = target;
        if let Some(uid) = config["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty()) {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Failure::conflict(resource, name, &why));
        }
        let mut object = self
            .with_write(resource, Part::Main, options, |write| {
                managed::apply(write, None, config, options.force)
            })
            .map_err(|error| Failure::from_apply(&error))?;
        let owners = taken(&mut object);
        object["metadata"]["name"] = name.into();
        let target = Target { resource, namespace, name: "" };
        self.create_object(target, object, owners, options)
    }

    /// A conflict in the inner result means that the object changed meanwhile.
    fn apply_once(
        &self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        part: Part,
        config: &Value,
        options: &Options,
    ) -> Result<Result<Written, Failure>, Failure> {
        let live = versions::from_stored(resource, current.value());
        let mut object = self
            .with_write(resource, part, options, |write| {
                managed::apply(write, Some(&live), config, options.force)
            })
            .map_err(|error| Failure::from_apply(&error))?;
        let owners = taken(&mut object);
        decode::normalize(resource, &mut object)?;
        meta::check_patched_namespace(meta::of(resource, &mut object)?, &current.key.namespace)?;
        meta::check_version(resource, config, current)?;
        Ok(self.change_part(resource, current, part, object, owners, options))
    }
}

/// The managed fields of an applied object, taken out of it.
fn taken(object: &mut Value) -> Owners {
    let meta = object["metadata"].as_object_mut();
    Owners::Applied(meta.and_then(|meta| meta.remove("managedFields")))
}

/// A configuration says of what kind it is.
fn check_type(resource: &Resource, config: &Value) -> Result<(), Failure> {
    let text = |field: &str| config[field].as_str().unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version == resource.api_version() && kind == resource.kind {
        return Ok(());
    }
    Err(Failure::bad_request(format!("invalid object type: {api_version}, Kind={kind}")))
}

/// Keys that the configuration holds twice: refused, or warned of.
fn duplicates(options: &Options) -> Result<Vec<String>, Failure> {
    let doubled = decode::doubled(options);
    match options.validation {
        Validation::Strict if !doubled.is_empty() => {
            Err(Failure::bad_request(format!("error strict decoding YAML: {}", doubled.join(", "))))
        }
        Validation::Strict | Validation::Warn => Ok(doubled),
        Validation::Ignore => Ok(Vec::new()),
    }
}

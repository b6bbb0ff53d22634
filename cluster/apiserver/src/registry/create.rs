//! Creation, in Kubernetes' order: decode, default, mutate, default again, validate, store.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Options, Registry, Validation, Written, account, guard, meta};
use crate::admission::{self, Attempt, Phase};
use crate::kinds::{Resource, defaults, validate};
use crate::schema::Invalid;
use crate::status::Failure;
use crate::store::{Conflict, Prepared};

/// How often a generated name is tried again when it is taken.
const NAME_TRIES: usize = 8;

impl Registry {
    /// Stores a new object.
    pub fn create(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        mut object: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let mut warnings = Vec::new();
        meta::check_kind(resource, &mut object)?;
        self.decode(resource, &mut object, options, &mut warnings)?;
        let generated = self.prepare_meta(resource, &mut object, namespace)?;
        self.check_open(
            resource,
            object["metadata"]["name"].as_str().unwrap_or_default(),
            namespace,
        )?;
        for _ in 1..NAME_TRIES {
            match self.create_named(resource, namespace, object.clone(), options, &mut warnings) {
                Err(failure) if failure.is_already_exists() && generated.is_some() => {
                    object["metadata"]["name"] =
                        meta::generate_name(generated.as_deref().unwrap_or_default()).into();
                }
                other => return other.map(|object| Written { object, warnings }),
            }
        }
        Err(Failure::exists(resource, object["metadata"]["name"].as_str().unwrap_or_default()))
    }

    /// Unknown and doubled fields, types, pruning and defaults.
    pub(super) fn decode(
        &self,
        resource: &Resource,
        object: &mut Value,
        options: &Options,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let problems = field_problems(resource, object, options);
        match options.validation {
            Validation::Strict if !problems.is_empty() => {
                return Err(Failure::strict(resource, &problems));
            }
            Validation::Warn => warnings.extend(problems),
            Validation::Strict | Validation::Ignore => {}
        }
        normalize(resource, object)
    }

    /// The name, generated if asked for; gives the prefix of a generated one.
    fn prepare_meta(
        &self,
        resource: &Resource,
        object: &mut Value,
        namespace: &str,
    ) -> Result<Option<String>, Failure> {
        let meta = meta::of(resource, object)?;
        meta::check_namespace(resource, meta, namespace)?;
        let text =
            |field: &str| meta.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !text("resourceVersion").is_empty() {
            return Err(Failure::plain_internal(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let (name, prefix) = (text("name"), text("generateName"));
        let generated = name.is_empty().then_some(prefix).filter(|p| !p.is_empty());
        if let Some(prefix) = &generated {
            meta.insert("name".to_owned(), meta::generate_name(prefix).into());
        } else if name.is_empty() {
            let missing = [Invalid::required("metadata.name", "name or generateName is required")];
            return Err(Failure::invalid(resource, "", &missing));
        }
        for field in
            ["managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"]
        {
            meta.remove(field);
        }
        meta.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
        meta.insert("creationTimestamp".to_owned(), meta::time(self.clock.now()).into());
        if meta::has_generation(resource) {
            meta.insert("generation".to_owned(), 1.into());
        } else {
            meta.remove("generation");
        }
        Ok(generated)
    }

    /// The kind and the namespace must be there, and not be going.
    fn check_open(&self, resource: &Resource, name: &str, namespace: &str) -> Result<(), Failure> {
        if resource.custom {
            self.check_crd_stays(resource)?;
        }
        if !resource.namespaced {
            return Ok(());
        }
        let kind = self.builtin("", "v1", "Namespace");
        let found = self.get(&kind, "", namespace)?;
        if found.deletion_timestamp.is_some() {
            return Err(Failure::terminating(resource, name, namespace));
        }
        Ok(())
    }

    fn create_named(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        mut object: Value,
        options: &Options,
        warnings: &mut Vec<String>,
    ) -> Result<Arc<crate::store::Object>, Failure> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let attempt = Attempt {
            resource,
            operation: "CREATE",
            namespace: if resource.namespaced { namespace } else { "" },
            name: &name,
            user: &options.user,
            old: None,
            dry_run: options.dry_run,
        };
        if resource.is("", "Pod")
            && let Some(why) = account::problem(&self.store, namespace, &object["spec"])
        {
            return Err(Failure::forbidden(resource, &name, &why));
        }
        self.admit(&attempt, &mut object, warnings)?;
        initial_status(resource, &mut object);
        self.allocate(resource, &mut object)?;
        let crd = if is_crd(resource) { Some(self.establish(&mut object, None)?) } else { None };
        let prepared = self.prepared(resource, &object);
        if options.dry_run {
            return self.dry(resource, prepared, &name);
        }
        let stored = self.store.create(prepared).map_err(|conflict| match conflict {
            Conflict::Exists | Conflict::Changed(_) | Conflict::Missing => {
                Failure::exists(resource, &name)
            }
        })?;
        if let Some(resources) = crd {
            self.serve_crd(resources);
        }
        Ok(stored)
    }

    fn dry(
        &self,
        resource: &Resource,
        prepared: Prepared,
        name: &str,
    ) -> Result<Arc<crate::store::Object>, Failure> {
        if self.store.get(prepared.key()).is_some() {
            return Err(Failure::exists(resource, name));
        }
        Ok(Arc::new(prepared.unnumbered()))
    }

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
            normalize(attempt.resource, object)?;
        }
        let resource = attempt.resource;
        guard::check(resource, attempt.name, attempt.user, object, attempt.old)?;
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

    /// The object ready to be numbered, in its stored version.
    pub(super) fn prepared(&self, resource: &Resource, object: &Value) -> Prepared {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        Prepared::new(
            self.key(resource, namespace, name),
            object.clone(),
            &resource.selectable_fields,
        )
    }
}

pub(super) fn is_crd(resource: &Resource) -> bool {
    resource.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// `unknown field "x"` and `duplicate field "y"`, in the order of the real server.
pub(super) fn field_problems(
    resource: &Resource,
    object: &Value,
    options: &Options,
) -> Vec<String> {
    if options.validation == Validation::Ignore {
        return Vec::new();
    }
    let doubled = options.duplicates.iter().map(|path| format!("duplicate field \"{path}\""));
    let mut unknown = resource.schema.unknown_fields(object);
    // A decoder meets the metadata first.
    unknown.sort_by_key(|path| !path.starts_with("metadata"));
    doubled.chain(unknown.into_iter().map(|p| format!("unknown field \"{p}\""))).collect()
}

/// Types as a typed decoder checks them, then pruning and defaults.
fn normalize(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    if !resource.custom
        && let Some(error) = resource.schema.type_error(object)
    {
        return Err(Failure::decoding(resource, &error));
    }
    meta::drop_empty(object);
    resource.schema.prune(object);
    resource.schema.default(object);
    if !resource.custom {
        defaults::apply(resource, object);
        drop_nulls(object);
    }
    Ok(())
}

/// A typed server forgets nulls; custom resources keep those that their schema allows.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A creator does not say the status, where there is a subresource for it.
fn initial_status(resource: &Resource, object: &mut Value) {
    if !resource.status {
        return;
    }
    let status = if resource.custom { None } else { defaults::initial_status(resource, object) };
    let Some(map) = object.as_object_mut() else { return };
    match status {
        Some(status) => map.insert("status".to_owned(), status),
        None if resource.custom => map.remove("status"),
        None => map.insert("status".to_owned(), json!({})),
    };
}

//! Creation, in Kubernetes' order: decode, default, mutate, default again, validate, store.

use rouse_schema::kinds::{Resource, defaults};
use rouse_schema::structure::Invalid;
use serde_json::{Value, json};

use super::actor::Options;
use super::change::{Part, Target, Written};
use super::managers::Owners;
use super::{Registry, decode, meta, strategy};
use crate::admission::Attempt;
use crate::status::Failure;

/// Attempts to generate a name that is free.
const NAME_TRIES: usize = 8;

impl Registry {
    pub(super) fn create_object(
        &self,
        target: Target<'_>,
        mut object: Value,
        owners: Owners,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, .. } = target;
        let mut warnings = Vec::new();
        meta::check_kind(resource, &mut object)?;
        if options.actor.is_trusted() {
            defaults::apply(resource, &mut object);
        } else {
            decode::decode(resource, &mut object, options, &mut warnings)?;
        }
        let prefix = self.prepare_meta(resource, &mut object, namespace)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.lacks_project(resource, namespace) {
            let kind = self.builtin("", "v1", "Namespace");
            let project = json!({ "metadata": { "name": namespace } });
            let target = Target { resource: &kind, namespace: "", name: namespace };
            self.create_object(target, project, Owners::Update, options)?;
            warnings.push(format!(
                "the namespace {namespace:?}, by its name a Google Cloud project, did not exist and is created"
            ));
        }
        if !(options.dry_run && is_project(namespace)) {
            self.check_not_terminating(resource, &name, namespace)?;
        }
        let rules = strategy::of(resource);
        if let Some(why) = (rules.forbids)(self, namespace, &object) {
            // Upstream admission names the object by its `generateName`.
            return Err(Failure::forbidden(resource, prefix.as_deref().unwrap_or(&name), &why));
        }
        if !options.actor.is_trusted() {
            self.track(resource, Part::Main, None, &mut object, owners, options);
            let attempt = Attempt {
                resource,
                operation: "CREATE",
                namespace: if resource.namespaced { namespace } else { "" },
                name: &name,
                user: &options.actor.user,
                old: None,
                dry_run: options.dry_run,
            };
            self.admit(&attempt, &mut object, &mut warnings)?;
            warnings.extend(inert(resource));
        }
        initial_status(resource, &mut object);
        let followup = (rules.prepare_for_create)(self, &mut object)?;
        let (object, gone) = self.commit(resource, None, object, followup, options.dry_run)?;
        Ok(Written { object, warnings, gone, created: true })
    }

    /// Sets the metadata that the server decides; returns the prefix of a generated name.
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
            let name = self.free_name(resource, namespace, prefix)?;
            meta.insert("name".to_owned(), name.into());
        } else if name.is_empty() {
            let missing = [Invalid::required("metadata.name", "name or generateName is required")];
            return Err(Failure::invalid(resource, "", &missing));
        }
        for field in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            meta.remove(field);
        }
        meta.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
        meta.insert("creationTimestamp".to_owned(), meta::time(self.clock.now()).into());
        if strategy::of(resource).generation {
            meta.insert("generation".to_owned(), 1.into());
        } else {
            meta.remove("generation");
        }
        Ok(generated)
    }

    /// A name with this prefix that no object has.
    fn free_name(
        &self,
        resource: &Resource,
        namespace: &str,
        prefix: &str,
    ) -> Result<String, Failure> {
        let mut name = String::new();
        for _ in 0..NAME_TRIES {
            name = meta::generate_name(prefix);
            if self.store.get(&self.key(resource, namespace, &name)).is_none() {
                return Ok(name);
            }
        }
        Err(Failure::exists(resource, &name))
    }

    /// Manifests exported from Cloud Run have their project's number as namespace.
    fn lacks_project(&self, resource: &Resource, namespace: &str) -> bool {
        resource.namespaced
            && resource.group == "serving.knative.dev"
            && is_project(namespace)
            && self.get(&self.builtin("", "v1", "Namespace"), "", namespace).is_err()
    }

    /// The kind's CRD and the namespace must exist and not be terminating.
    fn check_not_terminating(
        &self,
        resource: &Resource,
        name: &str,
        namespace: &str,
    ) -> Result<(), Failure> {
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
}

/// The warning of a kind that nothing acts on.
pub(super) fn inert(resource: &Resource) -> Option<String> {
    resource.inert.then(|| {
        format!(
            "{} are stored here, and nothing acts on them: they have no effect",
            resource.qualified()
        )
    })
}

fn is_project(namespace: &str) -> bool {
    namespace.len() >= 6 && namespace.bytes().all(|byte| byte.is_ascii_digit())
}

/// Sets the initial status, in place of the request's, if the kind has the subresource.
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

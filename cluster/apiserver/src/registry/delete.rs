//! Deletion: at once, after a grace period, or when the last finalizer has gone.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::create::is_crd;
use super::update::{conflict, gone};
use super::{Options, Registry, meta};
use crate::admission::{self, Attempt, Phase};
use crate::kinds::Resource;
use crate::status::Failure;
use crate::store::{Object, Prepared};

/// Removed by the garbage collector when all dependents that block are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Removed by the garbage collector when the dependents have been let go.
pub(super) const ORPHAN: &str = "orphan";
const POD_GRACE: i64 = 30;
/// What every cluster has is not taken away.
const PERMANENT: [&str; 3] = ["default", "kube-system", "kube-public"];
const TRIES: usize = 8;

/// What becomes of the objects that this one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// The body of a DELETE.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub grace_seconds: Option<i64>,
    pub propagation: Option<Propagation>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    /// Reads the JSON form.
    pub fn from_value(value: &Value) -> Result<Self, Failure> {
        let propagation = match value["propagationPolicy"].as_str() {
            None | Some("") if value["orphanDependents"] == true => Some(Propagation::Orphan),
            None | Some("") => None,
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                return Err(Failure::bad_request(format!(
                    "propagationPolicy {other:?} is none of Background, Foreground, Orphan"
                )));
            }
        };
        let text = |v: &Value| v.as_str().map(str::to_owned);
        Ok(Self {
            grace_seconds: value["gracePeriodSeconds"].as_i64(),
            propagation,
            uid: text(&value["preconditions"]["uid"]),
            resource_version: text(&value["preconditions"]["resourceVersion"]),
        })
    }
}

/// What a deletion came to.
#[derive(Debug)]
pub enum Deleted {
    /// It is gone.
    Gone(Arc<Object>),
    /// It waits for its grace period or its finalizers.
    Waiting(Arc<Object>),
}

impl Deleted {
    #[must_use]
    pub fn object(&self) -> &Arc<Object> {
        match self {
            Self::Gone(object) | Self::Waiting(object) => object,
        }
    }
}

impl Registry {
    pub fn delete(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        how: &DeleteOptions,
        options: &Options,
    ) -> Result<Deleted, Failure> {
        for _ in 0..TRIES {
            let current = self.get(resource, namespace, name)?;
            if resource.is("", "Namespace") && PERMANENT.contains(&name) {
                return Err(Failure::forbidden(
                    resource,
                    name,
                    "this namespace may not be deleted",
                ));
            }
            check_preconditions(resource, &current, how)?;
            match self.delete_once(resource, &current, how, options) {
                Err(failure) if failure.is_conflict() => {}
                other => return other,
            }
        }
        Err(Failure::changed(resource, name))
    }

    fn delete_once(
        &self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        how: &DeleteOptions,
        options: &Options,
    ) -> Result<Deleted, Failure> {
        let old = current.value();
        self.admit_deletion(resource, current, &old, options)?;
        let mut new = old.clone();
        if is_crd(resource) && !options.dry_run {
            self.clean_up_crd(&mut new);
        }
        mark(resource, &mut new, how, self.clock.now());
        if gone(&new) {
            let last = self.prepared(resource, &new);
            if options.dry_run {
                return Ok(Deleted::Gone(Arc::clone(current)));
            }
            return self.remove(resource, last, current).map(Deleted::Gone);
        }
        if new == old || options.dry_run {
            return Ok(Deleted::Waiting(Arc::clone(current)));
        }
        let prepared = self.prepared(resource, &new);
        let stored = self
            .store
            .replace(prepared, current.resource_version)
            .map_err(|c| conflict(resource, &current.key.name, &c))?;
        Ok(Deleted::Waiting(stored))
    }

    /// Validating hooks may refuse a deletion; there is nothing to change about one.
    fn admit_deletion(
        &self,
        resource: &Arc<Resource>,
        current: &Object,
        old: &Value,
        options: &Options,
    ) -> Result<(), Failure> {
        let attempt = Attempt {
            resource,
            operation: "DELETE",
            namespace: &current.key.namespace,
            name: &current.key.name,
            user: &options.user,
            old: Some(old),
            dry_run: options.dry_run,
        };
        let mut none = Value::Null;
        admission::review(&self.hooks(), Phase::Validating, &attempt, &mut none, &mut Vec::new())
    }

    /// Takes an object out of the store, and does what its going means for others.
    pub(super) fn remove(
        &self,
        resource: &Arc<Resource>,
        last: Prepared,
        current: &Object,
    ) -> Result<Arc<Object>, Failure> {
        let removed = self
            .store
            .remove(last, current.resource_version)
            .map_err(|c| conflict(resource, &current.key.name, &c))?;
        if is_crd(resource) {
            self.forget_crd(&removed.value());
        } else if resource.custom {
            self.crd_may_go(resource);
        }
        Ok(removed)
    }
}

fn check_preconditions(
    resource: &Resource,
    current: &Object,
    how: &DeleteOptions,
) -> Result<(), Failure> {
    let name = &current.key.name;
    if let Some(uid) = how.uid.as_ref().filter(|uid| **uid != current.uid) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            current.uid
        );
        return Err(Failure::precondition(resource, name, &why));
    }
    match &how.resource_version {
        Some(version) if *version != current.resource_version.to_string() => {
            Err(Failure::precondition(
                resource,
                name,
                &format!(
                    "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
                    current.resource_version
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// Sets what says that an object is being deleted.
fn mark(resource: &Resource, object: &mut Value, how: &DeleteOptions, now: Timestamp) {
    let waits_already = !object["metadata"]["deletionTimestamp"].is_null();
    let finalizer = match how.propagation {
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Background) | None => None,
    };
    if let (Some(finalizer), false) = (finalizer, waits_already) {
        let mut finalizers = meta::texts(&object["metadata"]["finalizers"]);
        if !finalizers.iter().any(|f| f == finalizer) {
            finalizers.push(finalizer.to_owned());
            object["metadata"]["finalizers"] = json!(finalizers);
        }
    }
    let grace = grace(resource, object, how);
    let before = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if waits_already && before.is_none_or(|before| grace >= before) {
        return;
    }
    let end = now + SignedDuration::from_secs(grace);
    object["metadata"]["deletionTimestamp"] = meta::time(end).into();
    object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    if resource.is("", "Namespace") {
        object["status"]["phase"] = "Terminating".into();
    }
}

/// Only pods that run somewhere get time.
fn grace(resource: &Resource, object: &Value, how: &DeleteOptions) -> i64 {
    if !resource.is("", "Pod") {
        return 0;
    }
    let placed = object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let over = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !placed || over {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(POD_GRACE);
    how.grace_seconds.unwrap_or(own).max(0)
}

//! Deletion: at once, after a grace period, or when the last finalizer has gone.

use std::sync::Arc;

use jiff::Timestamp;
use rouse_k8s::keys::{FOREGROUND_DELETION, ORPHAN_DEPENDENTS};
use rouse_k8s::time;
use rouse_schema::kinds::{Resource, versions};
use serde_json::{Value, json};

use super::actor::Options;
use super::change::{Target, Written};
use super::commit::is_gone;
use super::delete_options::{DeleteOptions, Propagation};
use super::strategy::{self, Followup, Strategy};
use super::{Registry, meta};
use crate::admission::Attempt;
use crate::status::Failure;
use crate::store::Object;

impl Registry {
    pub(super) fn delete_object(
        &self,
        target: Target<'_>,
        how: &DeleteOptions,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, name, .. } = target;
        let (permanent, why) = strategy::of(resource).permanent;
        self.on_newest(target, |current| {
            if permanent.contains(&name) {
                return Err(Failure::forbidden(resource, name, why));
            }
            check_preconditions(resource, current, how)?;
            Ok(self.delete_once(resource, current, how, options))
        })
    }

    fn delete_once(
        &self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        how: &DeleteOptions,
        options: &Options,
    ) -> Result<Written, Failure> {
        let old = versions::from_stored(resource, current.value());
        let dry_run = options.dry_run || how.dry_run;
        if !options.actor.is_trusted() {
            self.admit_deletion(&Attempt {
                resource,
                operation: "DELETE",
                namespace: &current.key.namespace,
                name: &current.key.name,
                user: &options.actor.user,
                old: Some(&old),
                dry_run,
            })?;
        }
        let rules = strategy::of(resource);
        let mut new = old.clone();
        if !dry_run {
            (rules.prepare_for_delete)(self, &mut new);
        }
        mark(rules, &mut new, how, self.clock.now());
        let gone = is_gone(rules, &new);
        if dry_run || new == old && !gone {
            let object = Arc::clone(current);
            return Ok(Written { object, warnings: Vec::new(), gone, created: false });
        }
        let (object, gone) =
            self.commit(resource, Some(current), new, Followup::Nothing, dry_run)?;
        Ok(Written { object, warnings: Vec::new(), gone, created: false })
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

/// Sets the deletion timestamp, grace period and finalizer of a deletion.
fn mark(rules: &Strategy, object: &mut Value, how: &DeleteOptions, now: Timestamp) {
    let begun = !object["metadata"]["deletionTimestamp"].is_null();
    let finalizer = match how.propagation {
        Some(Propagation::Foreground) => Some(FOREGROUND_DELETION),
        Some(Propagation::Orphan) => Some(ORPHAN_DEPENDENTS),
        Some(Propagation::Background) | None => None,
    };
    if let (Some(finalizer), false) = (finalizer, begun) {
        let mut finalizers = meta::texts(&object["metadata"]["finalizers"]);
        if !finalizers.iter().any(|f| f == finalizer) {
            finalizers.push(finalizer.to_owned());
            object["metadata"]["finalizers"] = json!(finalizers);
        }
    }
    let grace = (rules.grace_seconds)(object, how.grace_seconds);
    let before = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    // The grace period of a deletion that has begun may only be shortened, by a request that names one.
    if begun && (how.grace_seconds.is_none() || before.is_none_or(|before| grace >= before)) {
        return;
    }
    let end = time::later(now, time::seconds(grace));
    object["metadata"]["deletionTimestamp"] = time::rfc3339(end).into();
    object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
}

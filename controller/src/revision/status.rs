//! The status of a Revision, from its image, Deployment, pods and PodAutoscaler.
//!
//! ```text
//! seen                                             ResourcesAvailable  ContainerHealthy
//! initial scale was reached, a pod is ready        True                True
//! no pod is ready, a pod is in trouble             by the trouble      by the trouble
//! the Deployment failed, or gave up                False               as it was
//! the initial scale was given up                   False               as it was
//! initial scale was reached, no pod is needed      True unless False   True unless False
//! a failed Revision at zero, or between two pods   as it was           as it was
//! anything else                                    Unknown Deploying   Unknown Deploying
//! ```
//!
//! Latched: a failure stays until a pod is ready or runs without trouble, so that a Revision that
//! was scaled to zero because it failed still says why.

use std::sync::Arc;

use jiff::Timestamp;
use rouse_api::condition::{self, Condition, Conditions, READY};
use rouse_api::podautoscaler::SCALE_TARGET_INITIALIZED;
use rouse_api::revision::{
    ACTIVE, CONDITIONS, CONTAINER_HEALTHY, IMAGES_PINNED, RESOURCES_AVAILABLE,
};
use rouse_api::{PodAutoscaler, Revision, RevisionStatus};
use rouse_k8s::pod;
use rouse_kit::ApplyError;

use super::observed::{Observed, PROGRESS_DEADLINE_EXCEEDED};
use super::{notes, pods};

const DEPLOYING: &str = "Deploying";
const RESOLVING_DIGESTS: &str = "ResolvingDigests";
const CONTAINER_MISSING: &str = "ContainerMissing";
const REGISTRY_UNAVAILABLE: &str = "RegistryUnavailable";
const NOT_OWNED: &str = "NotOwned";
const BOTH: [&str; 2] = [RESOURCES_AVAILABLE, CONTAINER_HEALTHY];

/// The status before this pass.
pub(super) fn begin(revision: &Revision) -> RevisionStatus {
    revision.status.clone().unwrap_or_default()
}

pub(super) fn resolving(revision: &Revision, now: Timestamp) -> RevisionStatus {
    let mut status = begin(revision);
    mark(&mut status, revision, now, |conditions| {
        for type_ in BOTH {
            conditions.mark_unknown(type_, RESOLVING_DIGESTS, "");
        }
    });
    status
}

pub(super) fn image_missing(revision: &Revision, message: &str, now: Timestamp) -> RevisionStatus {
    let mut status = begin(revision);
    mark(&mut status, revision, now, |conditions| {
        conditions.mark_false(CONTAINER_HEALTHY, CONTAINER_MISSING, message);
    });
    status
}

/// Whether pods have images by name, because a registry could not be reached.
pub(super) fn is_unpinned(revision: &Revision) -> bool {
    let conditions = revision.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition::find(conditions, IMAGES_PINNED).is_some()
}

/// Every image has its digest.
pub(super) fn pinned(status: &mut RevisionStatus, revision: &Revision, now: Timestamp) {
    mark(status, revision, now, |conditions| conditions.clear(IMAGES_PINNED));
}

/// Why images have no digest, while pods have them by name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unpinned<'a> {
    /// Registries that could not be reached, as a sentence.
    Unreached(&'a str),
    /// A registry answered that the image is not to be had.
    Refused(&'a str),
}

/// Pods have images by name, for this reason.
pub(super) fn unpinned(
    status: &mut RevisionStatus,
    revision: &Revision,
    why: Unpinned<'_>,
    now: Timestamp,
) {
    let tagged = "pods run the image that the tag leads to on their node";
    let (reason, message) = match why {
        Unpinned::Unreached(message) => {
            (REGISTRY_UNAVAILABLE, format!("{message}. Until it answers, {tagged}."))
        }
        Unpinned::Refused(message) => {
            (CONTAINER_MISSING, format!("{message}. Until it can be had, {tagged}."))
        }
    };
    mark(status, revision, now, |conditions| {
        conditions.mark_false(IMAGES_PINNED, reason, &message);
    });
}

pub(super) fn not_owned(
    status: &mut RevisionStatus,
    revision: &Revision,
    kind: &str,
    name: &str,
    now: Timestamp,
) {
    let message = crate::objects::children::not_owned(kind, name);
    mark(status, revision, now, |conditions| {
        conditions.mark_false(RESOURCES_AVAILABLE, NOT_OWNED, &message);
    });
}

/// The API server refused the Deployment or the PodAutoscaler.
pub(super) fn refused(revision: &Revision, error: &ApplyError, now: Timestamp) -> RevisionStatus {
    let mut status = begin(revision);
    mark(&mut status, revision, now, |conditions| {
        conditions.mark_false(RESOURCES_AVAILABLE, "FailedCreate", &error.to_string());
    });
    status
}

pub(super) fn from_children(
    status: &mut RevisionStatus,
    revision: &Revision,
    seen: &Observed,
    always_schedulable: bool,
    now: Timestamp,
) {
    let autoscaler = seen.autoscaler.as_deref();
    let scale = autoscaler.and_then(|pa| pa.status.as_ref());
    status.actual_replicas = scale.and_then(|s| s.actual_scale).filter(|n| *n >= 0);
    status.desired_replicas = scale.and_then(|s| s.desired_scale).filter(|n| *n >= 0);
    let verdict = verdict(seen, always_schedulable);
    mark(status, revision, now, |conditions| {
        match verdict {
            Verdict::Healthy => BOTH.iter().for_each(|type_| conditions.mark_true(type_)),
            Verdict::Failed { condition, reason, message } => {
                failed(conditions, condition, &reason, &message);
            }
            Verdict::Asleep => asleep(conditions),
            Verdict::Deploying { untroubled } => deploying(conditions, untroubled),
        }
        match autoscaler.and_then(|pa| pa_condition(pa, ACTIVE)) {
            Some(active) => conditions.mark_from(ACTIVE, Some(active)),
            None => conditions.mark_unknown(ACTIVE, DEPLOYING, ""),
        }
        notes::scale(conditions, seen);
        notes::settings(conditions, revision, &seen.pods);
    });
}

/// Whether Ready turned True with `next`.
pub(super) fn became_ready(revision: &Revision, next: &RevisionStatus) -> bool {
    let ready = |status: &RevisionStatus| {
        condition::find(&status.conditions, READY).is_some_and(Condition::is_true)
    };
    ready(next) && !revision.status.as_ref().is_some_and(ready)
}

enum Verdict {
    Healthy,
    Failed {
        condition: &'static str,
        reason: String,
        message: String,
    },
    /// It reached its initial scale before, and needs no pod now or waits for one.
    Asleep,
    Deploying {
        untroubled: bool,
    },
}

fn verdict(seen: &Observed, always_schedulable: bool) -> Verdict {
    let initialized = seen
        .autoscaler
        .as_deref()
        .and_then(|pa| pa_condition(pa, SCALE_TARGET_INITIALIZED))
        .is_some_and(Condition::is_true);
    let serves = pods::alive(&seen.pods).any(pod::is_ready);
    if serves && initialized {
        return Verdict::Healthy;
    }
    let rules = pods::Rules { always_schedulable, deadline_exceeded: seen.deadline_exceeded() };
    if !serves && let Some(trouble) = pods::trouble(&seen.pods, rules) {
        let pods::Trouble { condition, reason, message } = trouble;
        return Verdict::Failed { condition, reason, message };
    }
    if let Some((reason, message)) = seen.deployment_failure() {
        return Verdict::Failed { condition: RESOURCES_AVAILABLE, reason, message };
    }
    if initialized {
        return Verdict::Asleep;
    }
    if seen.autoscaler.as_ref().is_some_and(gave_up) {
        return Verdict::Failed {
            condition: RESOURCES_AVAILABLE,
            reason: PROGRESS_DEADLINE_EXCEEDED.to_owned(),
            message: "Initial scale was never achieved".to_owned(),
        };
    }
    Verdict::Deploying { untroubled: pods::alive(&seen.pods).any(pods::runs_untroubled) }
}

/// Marks the present failure, which replaces an earlier one in the other condition.
fn failed(conditions: &mut Conditions<'_>, condition: &str, reason: &str, message: &str) {
    conditions.mark_false(condition, reason, message);
    for other in BOTH.into_iter().filter(|other| *other != condition) {
        if conditions.get(other).is_some_and(Condition::is_false) {
            conditions.mark_unknown(other, DEPLOYING, "");
        }
    }
}

fn asleep(conditions: &mut Conditions<'_>) {
    for type_ in BOTH {
        if !conditions.get(type_).is_some_and(Condition::is_false) {
            conditions.mark_true(type_);
        }
    }
}

/// A failure is forgotten once a pod runs without trouble, or if it came from before there were
/// any pods.
fn deploying(conditions: &mut Conditions<'_>, untroubled: bool) {
    for type_ in BOTH {
        let stays = conditions.get(type_).is_some_and(|condition| {
            let early = [CONTAINER_MISSING, NOT_OWNED].contains(&condition.reason.as_str());
            condition.is_false() && !early && !untroubled
        });
        if !stays {
            conditions.mark_unknown(type_, DEPLOYING, "");
        }
    }
}

/// Whether the autoscaler took the pods away before they were ever ready.
fn gave_up(autoscaler: &Arc<PodAutoscaler>) -> bool {
    let wants = autoscaler.status.as_ref().and_then(|status| status.desired_scale);
    wants == Some(0) && pa_condition(autoscaler, ACTIVE).is_some_and(Condition::is_false)
}

fn pa_condition<'a>(autoscaler: &'a PodAutoscaler, type_: &str) -> Option<&'a Condition> {
    condition::find(&autoscaler.status.as_ref()?.conditions, type_)
}

fn mark(
    status: &mut RevisionStatus,
    revision: &Revision,
    now: Timestamp,
    change: impl FnOnce(&mut Conditions<'_>),
) {
    let generation = revision.metadata.generation;
    let observed = status.observed_generation;
    change(&mut CONDITIONS.begin(&mut status.conditions, observed, generation, now));
    status.observed_generation = generation;
}

#[cfg(test)]
mod tests;

//! Revisions of a Configuration to delete, and the time of the next pass.
//!
//! Upstream: pkg/reconciler/gc/gc.go.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use rouse_api::config::GcConfig;
use rouse_api::{Configuration, ConfigurationStatus, Revision, keys};
use rouse_k8s::time::{later, since};
use rouse_kit::Plan;

use crate::objects::meta::name;

pub(super) fn desired(
    configuration: &Configuration,
    revisions: &[Arc<Revision>],
    config: &GcConfig,
    now: Timestamp,
) -> Plan<ConfigurationStatus> {
    let mut plan = Plan::default();
    let min = usize::try_from(config.min_non_active_revisions).unwrap_or(usize::MAX);
    let max = config.max_non_active_revisions.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
    let latest = configuration.status.as_ref().and_then(|s| s.latest_ready_revision_name.as_ref());
    let mut candidates: Vec<&Revision> = revisions
        .iter()
        .map(|revision| &**revision)
        .filter(|revision| may_go(revision, latest.map(String::as_str)))
        .collect();
    candidates.sort_by_key(|revision| (last_active(revision), name(*revision).to_owned()));

    let mut remaining = candidates.len();
    let mut kept = Vec::new();
    for revision in candidates {
        match stale_since(revision, config) {
            Some(at) if at <= now && remaining > min => {
                plan.delete(revision);
                remaining -= 1;
            }
            stale => kept.push((revision, stale)),
        }
    }
    let too_many = max.map_or(0, |max| remaining.saturating_sub(max));
    for (revision, _) in kept.drain(..too_many) {
        plan.delete(revision);
    }
    remaining -= too_many;
    // Wake when the next one turns stale, unless the minimum is reached.
    let next = kept.iter().filter_map(|(_, stale)| *stale).min();
    if let Some(at) = next.filter(|_| remaining > min) {
        plan.wake_after(since(now, at));
    }
    plan
}

fn may_go(revision: &Revision, latest: Option<&str>) -> bool {
    revision.labels().get(keys::ROUTING_STATE).is_some_and(|state| state == "reserve")
        && revision.annotations().get(keys::NO_GC).is_none_or(|no_gc| no_gc != "true")
        && latest != Some(name(revision))
        && revision.metadata.deletion_timestamp.is_none()
}

/// When it last left a Route, or else its creation.
fn last_active(revision: &Revision) -> Timestamp {
    revision
        .annotations()
        .get(keys::ROUTING_STATE_MODIFIED)
        .and_then(|modified| modified.parse().ok())
        .unwrap_or_else(|| created(revision))
}

fn created(revision: &Revision) -> Timestamp {
    revision.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// When it turns stale by every check that is enabled.
fn stale_since(revision: &Revision, config: &GcConfig) -> Option<Timestamp> {
    let by_creation =
        config.retain_since_create_time.map(|retain| later(created(revision), retain));
    let by_use =
        config.retain_since_last_active_time.map(|retain| later(last_active(revision), retain));
    match (by_creation, by_use) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (one, None) => one,
        (None, one) => one,
    }
}

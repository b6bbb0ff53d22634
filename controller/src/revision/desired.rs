//! Revision -> Deployment and PodAutoscaler.
//!
//! Invariant: of an existing Deployment only the containers are ever written, to undo other writers' changes. The
//! autoscaler owns its replicas, and its template is as immutable as the Revision.
//! Upstream: pkg/reconciler/revision/{revision,reconcile_resources}.go.

use jiff::Timestamp;
use rouse_api::{Revision, RevisionStatus};
use rouse_kit::{Notice, Plan};

use super::observed::Observed;
use super::{autoscaler, deployment, restore, status};
use crate::lookups::images::{Digests, ImageLookup, Pinned};
use crate::objects::meta::{controls, name, uid};
use crate::objects::routing_state;
use crate::reconciler::Planned;

pub(super) fn desired(
    revision: &Revision,
    seen: &Observed,
    now: Timestamp,
) -> Planned<RevisionStatus, ImageLookup> {
    let mut plan = Plan::default();
    if !seen.gone_routes.is_empty() {
        // The patched Revision triggers the next pass.
        routing_state::release_revision(revision, &seen.gone_routes, now, &mut plan);
        return plan.into();
    }
    let pinned = pinned(revision).map_or_else(|| seen.images.clone(), Pinned::Known);
    match pinned {
        Pinned::Unknown => {
            plan.status = Some(status::resolving(revision, now));
            let skipped = &seen.settings.config.deployment.registries_skipping_tag_resolving;
            Planned { plan, lookup: Some(ImageLookup::of(revision, skipped)) }
        }
        Pinned::Looking => {
            plan.status = Some(status::resolving(revision, now));
            plan.into()
        }
        Pinned::Failed(message) => {
            plan.status = Some(status::image_missing(revision, &message, now));
            plan.into()
        }
        Pinned::Known(digests) => {
            children(revision, digests, seen, now, &mut plan);
            plan.into()
        }
    }
}

/// The digests in the status, once every container has one. They never change.
fn pinned(revision: &Revision) -> Option<Digests> {
    let status = revision.status.as_ref()?;
    let complete = status.container_statuses.len() == revision.spec.pod.containers.len();
    complete.then(|| Digests {
        containers: status.container_statuses.clone(),
        init: status.init_container_statuses.clone(),
    })
}

/// Plans Deployment and PodAutoscaler, and the status that follows from them.
fn children(
    revision: &Revision,
    digests: Digests,
    seen: &Observed,
    now: Timestamp,
    plan: &mut Plan<RevisionStatus>,
) {
    let settings = &seen.settings;
    let mut next = status::begin(revision);
    next.log_url = settings.config.observability.log_url(uid(revision));
    next.container_statuses = digests.containers;
    next.init_container_statuses = digests.init;
    match seen.deployment.as_deref() {
        None => {
            let object = deployment::build(revision, &next, settings);
            plan.notice(Notice::normal(
                "Created",
                format!("Created Deployment {:?}", name(&object)),
            ));
            plan.create(&object);
        }
        Some(found) if !controls(revision, found) => {
            status::not_owned(&mut next, revision, "Deployment", name(found), now);
            plan.status = Some(next);
            return;
        }
        Some(found) => {
            if let Some(restored) =
                restore::restored(found, deployment::build(revision, &next, settings))
            {
                plan.replace(found, &restored);
            }
        }
    }
    let wanted = autoscaler::build(revision, seen.deployment.as_deref(), &settings.config);
    match seen.autoscaler.as_deref() {
        None => plan.create(&wanted),
        Some(found) if !controls(revision, found) => {
            status::not_owned(&mut next, revision, "PodAutoscaler", name(found), now);
            plan.status = Some(next);
            return;
        }
        Some(found) => plan.replace(found, &autoscaler::updated(found, wanted)),
    }
    let always_schedulable = settings.config.deployment.pod_is_always_schedulable;
    status::from_children(&mut next, revision, seen, always_schedulable, now);
    if status::became_ready(revision, &next) {
        let message = "Revision becomes ready upon all resources being ready".to_owned();
        plan.notice(Notice::normal("RevisionReady", message));
    }
    plan.status = Some(next);
}

//! Revision -> Deployment and PodAutoscaler.
//!
//! Invariant: of an existing Deployment only the containers are ever written, to undo other writers' changes and to pin
//! images once a registry that could not be reached answers. The autoscaler owns its replicas, and its template is as immutable as the Revision.
//! Upstream: pkg/reconciler/revision/{revision,reconcile_resources}.go.

use jiff::Timestamp;
use rouse_api::{Revision, RevisionStatus};
use rouse_kit::{Notice, Plan};

use super::observed::Observed;
use super::status::Unpinned;
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
    let lookup = matches!(pinned, Pinned::Unknown)
        .then(|| ImageLookup::of(revision, &seen.settings.config.deployment));
    match pinned {
        // After a restart of the controller its pods stay as they are.
        Pinned::Unknown | Pinned::Looking if status::is_unpinned(revision) => {
            children(revision, Images::AsBefore, seen, now, &mut plan);
        }
        Pinned::Unknown | Pinned::Looking => plan.status = Some(status::resolving(revision, now)),
        // The registry answers again and does not have the image, but a node may.
        Pinned::Failed(message) if status::is_unpinned(revision) => {
            children(revision, Images::Refused(&message), seen, now, &mut plan);
        }
        Pinned::Failed(message) => {
            plan.status = Some(status::image_missing(revision, &message, now));
        }
        Pinned::Known(digests) => {
            children(revision, Images::Pinned(digests), seen, now, &mut plan);
        }
        Pinned::Unreached(digests, message) => {
            children(revision, Images::Unreached(digests, &message), seen, now, &mut plan);
        }
    }
    Planned { plan, lookup }
}

/// The images that pods have.
enum Images<'a> {
    Pinned(Digests),
    /// Those of registries that could not be reached, for the reason, by their names.
    Unreached(Digests, &'a str),
    /// As the last pass had them, although a registry answers by now that it has none, for the reason.
    Refused(&'a str),
    /// As the last pass had them.
    AsBefore,
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
    images: Images<'_>,
    seen: &Observed,
    now: Timestamp,
    plan: &mut Plan<RevisionStatus>,
) {
    let settings = &seen.settings;
    let annotations = settings.annotations(revision);
    let mut next = status::begin(revision);
    next.log_url = settings.config.observability.log_url(uid(revision));
    // An unpinned image stands in no status, so that it is asked for until it is pinned.
    match &images {
        Images::Pinned(digests) => {
            status::pinned(&mut next, revision, now);
            next.container_statuses.clone_from(&digests.containers);
            next.init_container_statuses.clone_from(&digests.init);
        }
        Images::Unreached(_, message) => {
            status::unpinned(&mut next, revision, Unpinned::Unreached(message), now);
        }
        Images::Refused(message) => {
            status::unpinned(&mut next, revision, Unpinned::Refused(message), now);
        }
        Images::AsBefore => {}
    }
    match seen.deployment.as_deref() {
        None => {
            let digests = match images {
                Images::Pinned(digests) | Images::Unreached(digests, _) => digests,
                Images::Refused(_) | Images::AsBefore => Digests::default(),
            };
            let object = deployment::build(revision, &digests, settings, &annotations);
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
            // Pods are not started again because a registry can no longer be reached.
            if let Images::Pinned(digests) = &images
                && let Some(restored) = restore::restored(
                    found,
                    deployment::build(revision, digests, settings, &annotations),
                )
            {
                plan.replace(found, &restored);
            }
        }
    }
    let wanted = autoscaler::build(revision, seen.deployment.as_deref(), settings, &annotations);
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

//! Revision -> Deployment and PodAutoscaler.
//!
//! Invariant: an existing Deployment is never written. Its replicas are the autoscaler's, its
//! template is as immutable as the Revision.
//! Upstream: pkg/reconciler/revision/{revision,reconcile_resources}.go.

use jiff::Timestamp;
use rouse_api::{Revision, RevisionStatus};
use rouse_kit::{Notice, Plan};

use super::observed::{Observed, Settings};
use super::{autoscaler, deployment, status};
use crate::lookups::images::Pinned;
use crate::objects::meta::{controls, name, uid};
use crate::objects::routing_state;

pub(super) fn desired(
    revision: &Revision,
    seen: &Observed,
    settings: &Settings<'_>,
    now: Timestamp,
) -> Plan<RevisionStatus> {
    let mut plan = Plan::default();
    if !seen.gone_routes.is_empty() {
        // The changed Revision brings the next pass.
        routing_state::release_revision(revision, &seen.gone_routes, now, &mut plan);
        return plan;
    }
    let mut next = match &seen.images {
        Pinned::Pending => {
            plan.status = Some(status::resolving(revision, now));
            return plan;
        }
        Pinned::Failed(message) => {
            plan.status = Some(status::image_missing(revision, message, now));
            return plan;
        }
        Pinned::Done { containers, init } => {
            let mut next = status::begin(revision);
            next.log_url = settings.config.observability.log_url(uid(revision));
            next.container_statuses.clone_from(containers);
            next.init_container_statuses.clone_from(init);
            next
        }
    };
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
            return plan;
        }
        Some(_) => {}
    }
    let wanted = autoscaler::build(revision, seen.deployment.as_deref(), settings.config);
    match seen.autoscaler.as_deref() {
        None => plan.create(&wanted),
        Some(found) if !controls(revision, found) => {
            status::not_owned(&mut next, revision, "PodAutoscaler", name(found), now);
            plan.status = Some(next);
            return plan;
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
    plan
}

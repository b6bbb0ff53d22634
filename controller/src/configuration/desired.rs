//! Configuration -> Revision: one immutable Revision per generation of the template.
//!
//! Invariant: Revisions are only created here. `gc` deletes them, and their spec never changes.
//! Upstream: pkg/reconciler/configuration/configuration.go.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use rouse_api::{Configuration, ConfigurationStatus, Revision};
use rouse_kit::{Notice, Plan};

use super::{revision, status};
use crate::objects::meta::name;
use crate::objects::revisions::{generation, is_stamp};
use crate::objects::routing_state;

/// All inputs of the decision.
pub(crate) struct Observed {
    /// The Revision with the next name, of any owner.
    pub(super) named: Option<Arc<Revision>>,
    /// The Configuration's Revisions, newest generation first.
    pub(super) owned: Vec<Arc<Revision>>,
    /// Deleted Routes that the Configuration still lists.
    pub(super) gone_routes: Vec<String>,
}

pub(super) fn desired(
    configuration: &Configuration,
    seen: &Observed,
    now: Timestamp,
) -> Plan<ConfigurationStatus> {
    let Observed { named, owned, gone_routes } = seen;
    let wanted = revision::name_for(configuration);
    let mut plan = Plan::default();
    if !gone_routes.is_empty() {
        // The patched Configuration triggers the next pass.
        routing_state::release_configuration(configuration, gone_routes, &mut plan);
        return plan;
    }
    let Some(found) = named.as_deref() else {
        plan.create(&revision::stamp(configuration, &wanted, now));
        plan.notice(Notice::normal("Created", format!("Created Revision {wanted:?}")));
        plan.status = Some(status::creating(configuration, &wanted, owned, now));
        return plan;
    };
    if !is_stamp(configuration, found) {
        plan.status = Some(status::name_taken(configuration, &wanted, now));
        return plan;
    }
    let next = status::from_revisions(configuration, found, owned, now);
    let before = configuration.status.as_ref().and_then(|s| s.latest_ready_revision_name.as_ref());
    if let Some(latest) = next.latest_ready_revision_name.as_ref()
        && before != Some(latest)
    {
        if before.is_none() {
            let message = "Configuration becomes ready".to_owned();
            plan.notice(Notice::normal("ConfigurationReady", message));
        }
        let message = format!("LatestReadyRevisionName updated to {latest:?}");
        plan.notice(Notice::normal("LatestReadyUpdate", message));
    }
    plan.status = Some(next);
    plan
}

/// Sorts by the generation that a Revision was stamped for; names break ties.
pub(super) fn newest_first(revisions: &mut [Arc<Revision>]) {
    revisions.sort_by_key(|revision| (Reverse(generation(revision)), name(&**revision).to_owned()));
}

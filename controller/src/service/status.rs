//! The status of a Service, from its Configuration and Route.

use jiff::Timestamp;
use kube::Resource;
use rouse_api::condition::{self, Condition, Conditions};
use rouse_api::service::{CONDITIONS, CONFIGURATIONS_READY, ROUTES_READY};
use rouse_api::{Configuration, Route, Service, ServiceStatus, TrafficTarget};
use rouse_kit::ApplyError;

use crate::objects::children::not_owned;
use crate::objects::meta::name;

const OUT_OF_DATE: &str = "OutOfDate";
const NOT_OWNED: &str = "NotOwned";
/// The Revision name that the user chose belongs to another Revision.
const REVISION_NAME_TAKEN: &str = "RevisionNameTaken";

/// The state of a child.
pub(super) enum ChildView<'a, K> {
    /// Being created or updated by this very pass.
    Changing,
    /// Held back until the Configuration is further.
    Waiting,
    /// Held back, for another Revision has the name that the user chose.
    NameTaken,
    /// An object of another owner has the name.
    NotOwned,
    Seen(&'a K),
}

/// Kinds that have `status.observedGeneration`.
pub(super) trait Observing {
    fn generations(&self) -> (Option<i64>, Option<i64>);
}

impl Observing for Configuration {
    fn generations(&self) -> (Option<i64>, Option<i64>) {
        let observed = self.status.as_ref().and_then(|status| status.observed_generation);
        (observed, self.metadata.generation)
    }
}

impl Observing for Route {
    fn generations(&self) -> (Option<i64>, Option<i64>) {
        let observed = self.status.as_ref().and_then(|status| status.observed_generation);
        (observed, self.metadata.generation)
    }
}

/// Whether the status is of the present spec.
pub(super) fn is_observed<K: Observing>(object: &K) -> bool {
    let (observed, generation) = object.generations();
    observed == generation
}

pub(super) fn from_children(
    service: &Service,
    configuration: &ChildView<'_, Configuration>,
    route: &ChildView<'_, Route>,
    now: Timestamp,
) -> ServiceStatus {
    let before = service.status.clone().unwrap_or_default();
    let generation = service.metadata.generation;
    let mut status = before.clone();
    let mut list = before.conditions;
    let mut conditions = CONDITIONS.begin(&mut list, before.observed_generation, generation, now);
    from_configuration(service, configuration, &mut status, &mut conditions);
    from_route(service, route, &mut status, &mut conditions);
    status.conditions = list;
    status.observed_generation = generation;
    status
}

fn from_configuration(
    service: &Service,
    configuration: &ChildView<'_, Configuration>,
    status: &mut ServiceStatus,
    conditions: &mut Conditions<'_>,
) {
    match configuration {
        ChildView::NotOwned => {
            let message = not_owned("Configuration", name(service));
            conditions.mark_false(CONFIGURATIONS_READY, NOT_OWNED, &message);
        }
        ChildView::Seen(found) if is_observed(*found) => {
            let theirs = found.status.clone().unwrap_or_default();
            status.latest_created_revision_name = theirs.latest_created_revision_name;
            status.latest_ready_revision_name = theirs.latest_ready_revision_name;
            conditions.mark_from(CONFIGURATIONS_READY, ready(&theirs.conditions));
        }
        ChildView::Changing | ChildView::Waiting | ChildView::NameTaken | ChildView::Seen(_) => {
            let message = "The Configuration does not reflect the latest specification yet.";
            conditions.mark_unknown(CONFIGURATIONS_READY, OUT_OF_DATE, message);
        }
    }
}

fn from_route(
    service: &Service,
    route: &ChildView<'_, Route>,
    status: &mut ServiceStatus,
    conditions: &mut Conditions<'_>,
) {
    match route {
        ChildView::NotOwned => {
            let message = not_owned("Route", name(service));
            conditions.mark_false(ROUTES_READY, NOT_OWNED, &message);
        }
        ChildView::NameTaken => {
            let revision = service.spec.template.metadata.name.as_deref().unwrap_or_default();
            let message = format!("The Revision name {revision:?} is taken by another Revision.");
            conditions.mark_false(ROUTES_READY, REVISION_NAME_TAKEN, &message);
        }
        ChildView::Seen(found) if is_observed(*found) => {
            let theirs = found.status.clone().unwrap_or_default();
            conditions.mark_from(ROUTES_READY, ready(&theirs.conditions));
            let migrated = same_traffic(&found.spec.traffic, &theirs.traffic, status);
            if ready(&theirs.conditions).is_some_and(Condition::is_true) && !migrated {
                let message = "Traffic is not yet migrated to the latest revision.";
                conditions.mark_unknown(ROUTES_READY, "TrafficNotMigrated", message);
            }
            status.url = theirs.url;
            status.address = theirs.address;
            status.traffic = theirs.traffic;
        }
        ChildView::Changing | ChildView::Waiting | ChildView::Seen(_) => {
            let message = "The Route does not reflect the latest specification yet.";
            conditions.mark_unknown(ROUTES_READY, OUT_OF_DATE, message);
        }
    }
}

/// Whether a Route that calls itself ready sends traffic where this Service wants it. The
/// Route's latest Revision may be older than the Configuration's.
fn same_traffic(want: &[TrafficTarget], have: &[TrafficTarget], status: &ServiceStatus) -> bool {
    want.len() == have.len()
        && want.iter().zip(have).all(|(want, have)| {
            let revision = match &want.revision_name {
                Some(revision) => Some(revision),
                None => status.latest_ready_revision_name.as_ref(),
            };
            revision == have.revision_name.as_ref()
                && want.tag.as_deref().unwrap_or_default()
                    == have.tag.as_deref().unwrap_or_default()
                && want.percent.unwrap_or_default() == have.percent.unwrap_or_default()
        })
}

/// After the API server refused to create or update a child.
pub(super) fn refused(service: &Service, error: &ApplyError, now: Timestamp) -> ServiceStatus {
    let mut status = service.status.clone().unwrap_or_default();
    let generation = service.metadata.generation;
    let observed = status.observed_generation;
    let mut conditions = CONDITIONS.begin(&mut status.conditions, observed, generation, now);
    let type_ = match error {
        ApplyError::Refused { kind, .. } if *kind == Route::kind(&()) => ROUTES_READY,
        ApplyError::Refused { .. } | ApplyError::Stale { .. } | ApplyError::Unavailable { .. } => {
            CONFIGURATIONS_READY
        }
    };
    conditions.mark_false(type_, "Refused", &error.to_string());
    status.observed_generation = generation;
    status
}

fn ready(conditions: &[Condition]) -> Option<&Condition> {
    condition::find(conditions, condition::READY)
}

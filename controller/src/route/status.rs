//! The status of a Route.

use jiff::Timestamp;
use rouse_api::condition::{self, Condition, ConditionStatus, Conditions};
use rouse_api::route::{
    ALL_TRAFFIC_ASSIGNED, Addressable, CERTIFICATE_PROVISIONED, CONDITIONS, INGRESS_READY,
};
use rouse_api::{Route, RouteStatus, TrafficTarget};
use rouse_kit::ApplyError;

use super::hosts::Names;
use super::portions::Portion;
use super::traffic::Problem;
use crate::lookups::served::Serving;
use crate::objects::gateway::{ExternalTls, Gateway};

const UNINITIALIZED: &str = "Uninitialized";

/// Marks conditions for the present generation; `change` sets those that vary.
pub(super) fn mark(
    status: &mut RouteStatus,
    route: &Route,
    now: Timestamp,
    change: impl FnOnce(&mut Conditions<'_>),
) {
    let generation = route.metadata.generation;
    let observed = status.observed_generation;
    let mut conditions = CONDITIONS.begin(&mut status.conditions, observed, generation, now);
    change(&mut conditions);
    status.observed_generation = generation;
}

pub(super) fn problem(conditions: &mut Conditions<'_>, problem: &Problem) {
    let Problem { status, reason, message } = problem;
    match status {
        ConditionStatus::False => conditions.mark_false(ALL_TRAFFIC_ASSIGNED, reason, message),
        ConditionStatus::Unknown | ConditionStatus::True => {
            conditions.mark_unknown(ALL_TRAFFIC_ASSIGNED, reason, message);
        }
    }
}

/// Whether the public hosts have certificates.
pub(super) fn certificate(conditions: &mut Conditions<'_>, main: &Names, external: ExternalTls) {
    match external {
        ExternalTls::On | ExternalTls::Downgraded | ExternalTls::NotReady
            if main.public.is_none() =>
        {
            let message = "TLS is not enabled for cluster-local";
            conditions.mark_true_with_reason(CERTIFICATE_PROVISIONED, "TLSNotEnabled", message);
        }
        _ => external.mark(conditions, CERTIFICATE_PROVISIONED),
    }
}

/// Ready means that the very next request succeeds: activators must serve the written routing.
pub(super) fn ingress(conditions: &mut Conditions<'_>, served: bool, serving: &Serving) {
    if served {
        conditions.mark_true(INGRESS_READY);
    } else {
        let message =
            serving.problem().unwrap_or("Waiting until every activator serves the new traffic.");
        conditions.mark_unknown(INGRESS_READY, UNINITIALIZED, message);
    }
}

/// Traffic moves: not all of it is where the spec wants it.
pub(super) fn rolling_out(conditions: &mut Conditions<'_>) {
    let message = "A gradual rollout of the latest revision(s) is in progress.";
    conditions.mark_unknown(INGRESS_READY, "RolloutInProgress", message);
}

/// URL and address, known before any Revision is ready.
pub(super) fn addresses(status: &mut RouteStatus, main: &Names, scheme: &str, gateway: Gateway) {
    status.url = Some(main.url(scheme, gateway));
    status.address = Some(Addressable { url: Some(main.local_url(gateway)) });
}

/// `status.traffic`: one entry per target, in the user's order; several while a target is rolled out.
pub(super) fn traffic(
    portions: &[Portion],
    names: &[Names],
    scheme: &str,
    gateway: Gateway,
) -> Vec<TrafficTarget> {
    portions
        .iter()
        .map(|portion| TrafficTarget {
            tag: portion.tag.clone(),
            revision_name: Some(portion.revision.clone()),
            configuration_name: None,
            latest_revision: Some(portion.latest),
            percent: Some(portion.percent),
            url: names
                .iter()
                .find(|names| names.tag.is_some() && names.tag == portion.tag)
                .map(|names| names.url(scheme, gateway)),
        })
        .collect()
}

/// Whether a status says Ready, or that the present spec failed.
pub(super) fn is_settled(status: &RouteStatus) -> bool {
    condition::find(&status.conditions, condition::READY).is_some_and(|c| !c.is_unknown())
}

pub(super) fn ingress_is_ready(status: &RouteStatus) -> bool {
    condition::find(&status.conditions, INGRESS_READY).is_some_and(Condition::is_true)
}

/// The API server refused a core Service or a label.
pub(super) fn refused(route: &Route, error: &ApplyError, now: Timestamp) -> RouteStatus {
    let mut status = route.status.clone().unwrap_or_default();
    mark(&mut status, route, now, |conditions| {
        conditions.mark_false(INGRESS_READY, "Refused", &error.to_string());
    });
    status
}

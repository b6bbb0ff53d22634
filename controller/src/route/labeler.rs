//! Labels Revisions and Configurations with the Routes that they are in, and Revisions as `active` or
//! in `reserve`.
//!
//! Labels are added at once, so that a Revision is reachable and safe from garbage collection
//! before it gets requests; they are removed only when activators serve the state without it. The
//! labels of a deleted Route are removed by the Revision's and the Configuration's reconcilers:
//! that works as well if no controller observed the deletion, and no Route has to wait for a
//! finalizer.
//!
//! Upstream: pkg/reconciler/labeler; it uses a finalizer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use rouse_api::routing;
use rouse_api::{Configuration, Revision, Route, RouteStatus, keys};
use rouse_kit::Plan;
use serde_json::{Value, json};

use super::observed::Observed;
use crate::objects::meta::{name, owner_name};
use crate::objects::revisions::generation;
use crate::objects::routing_state::{
    ACTIVE, RESERVE, routes_of, routing_state, with_route, without,
};

/// Whether the Route may have to label the Configuration.
pub(super) fn concerns_configuration(route: &Route, configuration: &Configuration) -> bool {
    let named = |target: &rouse_api::TrafficTarget| {
        target.configuration_name.as_deref() == Some(name(configuration))
    };
    route.spec.traffic.iter().any(named)
        || routes_of(configuration).iter().any(|r| r == name(route))
        || route.spec.traffic.iter().any(|target| target.revision_name.is_some())
}

/// Plans the labels for `next`; objects that are no longer in any target lose theirs if `settled`.
pub(super) fn label(
    route: &Route,
    next: &RouteStatus,
    seen: &Observed,
    settled: bool,
    now: Timestamp,
    plan: &mut Plan<RouteStatus>,
) {
    let wanted = wanted(route, next, seen);
    for revision in seen.revisions.values() {
        let inside = wanted.revisions.contains(name(&**revision));
        let may_go = settled && is_reported(revision, seen);
        label_revision(route, revision, inside, may_go, now, plan);
    }
    for configuration in seen.configurations.values() {
        let inside = wanted.configurations.contains(name(&**configuration));
        label_configuration(route, configuration, inside, settled, plan);
    }
}

/// Whether the Configuration has observed the generation of this Revision. Before that the Revision
/// may be the latest one, which is created `active`.
fn is_reported(revision: &Revision, seen: &Observed) -> bool {
    let owner = owner_name(revision, "Configuration");
    let Some(configuration) = owner.and_then(|owner| seen.configurations.get(owner)) else {
        return true;
    };
    let observed = configuration.status.as_ref().and_then(|status| status.observed_generation);
    observed.is_some_and(|observed| generation(revision) <= observed)
}

#[derive(Default)]
struct Wanted {
    revisions: BTreeSet<String>,
    configurations: BTreeSet<String>,
}

fn wanted(route: &Route, next: &RouteStatus, seen: &Observed) -> Wanted {
    let mut wanted = Wanted::default();
    let before = route.status.iter().flat_map(|status| &status.traffic);
    // A tag may be rolled out over Revisions that have no entry in the traffic.
    let routings = route.status.iter().chain([next]).filter_map(|status| status.routing.as_ref());
    for share in routings.flat_map(|routing| &routing.hosts).flat_map(routing::Host::shares) {
        wanted.revisions.insert(share.revision.clone());
    }
    for target in before.chain(&next.traffic).chain(&route.spec.traffic) {
        if let Some(revision) = &target.revision_name {
            wanted.revisions.insert(revision.clone());
        }
        if let Some(configuration) = &target.configuration_name {
            wanted.configurations.insert(configuration.clone());
        }
    }
    for configuration in &wanted.configurations {
        let status = seen.configurations.get(configuration).and_then(|c| c.status.as_ref());
        for revision in status.into_iter().flat_map(|status| {
            [&status.latest_ready_revision_name, &status.latest_created_revision_name]
        }) {
            wanted.revisions.extend(revision.clone());
        }
    }
    let owners: BTreeMap<&str, &str> = wanted
        .revisions
        .iter()
        .filter_map(|revision| seen.revisions.get(revision))
        .filter_map(|revision| Some((name(&**revision), owner_name(&**revision, "Configuration")?)))
        .collect();
    wanted.configurations.extend(owners.into_values().map(ToOwned::to_owned));
    wanted
}

fn label_revision(
    route: &Route,
    revision: &Arc<Revision>,
    inside: bool,
    settled: bool,
    now: Timestamp,
    plan: &mut Plan<RouteStatus>,
) {
    let routes = routes_of(&**revision);
    let listed = routes.iter().any(|r| r == name(route));
    let state = revision.labels().get(keys::ROUTING_STATE).map(String::as_str);
    if inside && (!listed || state != Some(ACTIVE)) {
        let routes = json!(with_route(routes, name(route)));
        plan.patch(&**revision, routing_state(&routes, ACTIVE, state, now));
    } else if !inside && listed && settled {
        let others = without_route(routes, route);
        let next = if others.is_null() { RESERVE } else { ACTIVE };
        plan.patch(&**revision, routing_state(&others, next, state, now));
    }
}

fn label_configuration(
    route: &Route,
    configuration: &Arc<Configuration>,
    inside: bool,
    settled: bool,
    plan: &mut Plan<RouteStatus>,
) {
    let routes = routes_of(&**configuration);
    let listed = routes.iter().any(|r| r == name(route));
    let next = if inside && !listed {
        json!(with_route(routes, name(route)))
    } else if !inside && listed && settled {
        without_route(routes, route)
    } else {
        return;
    };
    plan.patch(&**configuration, json!({"metadata": {"annotations": {keys::ROUTES: next}}}));
}

fn without_route(routes: Vec<String>, route: &Route) -> Value {
    without(routes, &[name(route).to_owned()])
}

#[cfg(test)]
mod tests;

//! Route -> core Services, `status.routing`, labels on Revisions.
//!
//! Ready comes in two phases: the new routing is written; when every activator serves it, the next
//! pass says Ready. While a target cannot be routed to, traffic and routing stay what they were.
//!
//! Upstream: pkg/reconciler/route/{route,reconcile_resources}.go.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use rouse_api::config::features;
use rouse_api::route::{ALL_TRAFFIC_ASSIGNED, INGRESS_READY};
use rouse_api::{Route, RouteStatus};
use rouse_api::{annotations, callers};
use rouse_kit::Plan;

use super::hosts::{self, Names};
use super::observed::Observed;
use super::portions::portions;
use super::traffic::{self, View};
use super::{labeler, placeholder, rollout, routing, status};
use crate::objects::children::not_owned;
use crate::objects::meta::{name, namespace};
use crate::objects::routing::versioned;

pub(super) fn desired(route: &Route, seen: &Observed, now: Timestamp) -> Plan<RouteStatus> {
    let mut plan = Plan::default();
    let before = route.status.clone().unwrap_or_default();
    let mut next = before.clone();
    if let Some(foreign) = seen.foreign_services.first() {
        status::mark(&mut next, route, now, |conditions| {
            conditions.mark_false(INGRESS_READY, "NotOwned", &not_owned("Service", foreign));
        });
        plan.status = Some(next);
        return plan;
    }
    let placeholders = seen.placeholders.iter().map(|s| (name(&**s), &**s)).collect();
    let names = match hosts::names(route, &placeholders, &seen.config) {
        Ok(names) => names,
        Err(error) => {
            status::mark(&mut next, route, now, |conditions| {
                conditions.mark_false(ALL_TRAFFIC_ASSIGNED, "ErrorConfig", &error.to_string());
            });
            plan.status = Some(next);
            return plan;
        }
    };
    placeholder::ensure(route, &names, &seen.placeholders, &mut plan);
    let network = &seen.config.network;
    let external = seen.gateway.external_tls(route.annotations(), network);
    let scheme = external.scheme(&network.default_external_scheme);
    status::addresses(&mut next, &names[0], scheme, seen.gateway);
    status::mark(&mut next, route, now, |conditions| {
        status::certificate(conditions, &names[0], external);
    });
    if let Some(next_step) = assign(route, seen, &names, scheme, &mut next, now) {
        plan.wake_after(next_step);
    }

    // Stale labels and core Services go only after a state without them was served and written.
    let settled = status::is_settled(&before) && same_state(&before, &next);
    labeler::label(route, &next, seen, settled, now, &mut plan);
    if settled {
        placeholder::remove_stale(&names, &seen.placeholders, &mut plan);
    }
    plan.status = Some(next);
    plan
}

/// Resolves the targets and compiles the routing, or marks why it cannot. Returns the time until the next step of a
/// rollout.
fn assign(
    route: &Route,
    seen: &Observed,
    names: &[Names],
    scheme: &str,
    next: &mut RouteStatus,
    now: Timestamp,
) -> Option<Duration> {
    let view = View { configurations: &seen.configurations, revisions: &seen.revisions };
    let targets = match traffic::resolve(route, &view) {
        Ok(targets) => targets,
        Err(problem) => {
            status::mark(next, route, now, |conditions| status::problem(conditions, &problem));
            return None;
        }
    };
    let written = next.routing.clone();
    let served_now = written.as_ref().is_some_and(|routing| seen.serving.serves(routing.version));
    let (rollout, next_step) = rollout::step(
        &targets,
        &rollout::Seen {
            before: next.rollout.as_ref(),
            served: served_now,
            duration: rollout_duration(route, seen),
            now,
            exists: |revision: &str| seen.revisions.contains_key(revision),
        },
    );
    let portions = portions(&targets, &rollout);
    let options = routing::Options {
        http: seen.gateway.http_option(route.annotations(), &seen.config.network),
        tag_header: seen.config.features.is_enabled(features::TAG_HEADER_BASED_ROUTING),
        // A token is for the Service, whichever of its tags is called, as in Cloud Run.
        callers: callers::callers(route.annotations(), namespace(route), &names[0].hosts()),
    };
    let hosts = routing::compile(names, &targets, &portions, &rollout, &options);
    let compiled = versioned(written.as_ref(), hosts, now);
    let is_written = written.as_ref() == Some(&compiled);
    let is_served = seen.serving.serves(compiled.version);
    // After a restart no activator was asked yet; a Route that was ready and did not change still is.
    let ready = is_written && (is_served || status::ingress_is_ready(next));
    next.traffic = status::traffic(&portions, names, scheme, seen.gateway);
    next.routing = Some(compiled);
    let moving = !rollout.is_done();
    next.rollout = Some(rollout);
    status::mark(next, route, now, |conditions| {
        conditions.mark_true(ALL_TRAFFIC_ASSIGNED);
        if moving {
            status::rolling_out(conditions);
        } else {
            status::ingress(conditions, ready, &seen.serving);
        }
    });
    next_step
}

/// How long new Revisions of this Route are rolled out: what its annotation says, else the cluster's setting.
fn rollout_duration(route: &Route, seen: &Observed) -> Duration {
    annotations::rollout_duration(route.annotations())
        .filter(|duration| !duration.is_zero())
        .unwrap_or(Duration::from_secs(seen.config.network.rollout_duration))
}

/// Whether routing, conditions and generation are the same in two statuses.
fn same_state(before: &RouteStatus, next: &RouteStatus) -> bool {
    before.routing == next.routing
        && before.observed_generation == next.observed_generation
        && before.conditions == next.conditions
}

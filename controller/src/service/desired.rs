//! Service -> Configuration and Route.
//!
//! The Route follows in the same pass as the Configuration: until the new Revision is ready it
//! keeps its old traffic by itself. Only where the user names the Revision does the Route wait
//! until the Configuration has observed the name, since another Revision may have it.
//!
//! Upstream: pkg/reconciler/service/service.go, resources/{configuration,route}.go.

use std::sync::Arc;

use jiff::Timestamp;
use rouse_api::{
    Configuration, ConfigurationSpec, Revision, Route, RouteSpec, Service, ServiceStatus,
    TrafficTarget, keys,
};
use rouse_k8s::keys::LAST_APPLIED;
use rouse_kit::{Notice, Plan};

use super::status::{self, ChildView};
use crate::objects::children::{ROLLOUT_DURATIONS, annotations_without, labels_without, meta};
use crate::objects::meta::{controls, name};
use crate::objects::revisions::is_stamp;
use crate::objects::routing_state::{routes_of, with_route};

/// All inputs of the decision.
pub(crate) struct Observed {
    /// The objects with its children's names, of any owner.
    pub(super) configuration: Option<Arc<Configuration>>,
    pub(super) route: Option<Arc<Route>>,
    /// The Revision with the name that the user chose, of any owner.
    pub(super) named: Option<Arc<Revision>>,
}

pub(super) fn desired(service: &Service, seen: &Observed, now: Timestamp) -> Plan<ServiceStatus> {
    let Observed { configuration, route, named } = seen;
    let mut plan = Plan::default();
    let configuration_view = match configuration.as_deref() {
        None => {
            plan.create(&new_configuration(service, None));
            let message = format!("Created Configuration {:?}", name(service));
            plan.notice(Notice::normal("Created", message));
            ChildView::Changing
        }
        Some(found) if !controls(service, found) => ChildView::NotOwned,
        Some(found) => {
            let before = plan.writes.len();
            plan.replace(found, &updated_configuration(service, found));
            if plan.writes.len() > before && found.spec.template != service.spec.template {
                ChildView::Changing
            } else {
                ChildView::Seen(found)
            }
        }
    };
    let route_view = match chosen_name(service, &configuration_view, named.as_deref()) {
        ChosenName::None | ChosenName::Ours => route_plan(service, route.as_deref(), &mut plan),
        ChosenName::Open => ChildView::Waiting,
        ChosenName::Taken => ChildView::NameTaken,
    };
    plan.status = Some(status::from_children(service, &configuration_view, &route_view, now));
    plan
}

fn route_plan<'a>(
    service: &Service,
    route: Option<&'a Route>,
    plan: &mut Plan<ServiceStatus>,
) -> ChildView<'a, Route> {
    match route {
        None => {
            plan.create(&new_route(service));
            let message = format!("Created Route {:?}", name(service));
            plan.notice(Notice::normal("Created", message));
            ChildView::Changing
        }
        Some(found) if !controls(service, found) => ChildView::NotOwned,
        Some(found) => {
            let want = updated_route(service, found);
            plan.replace(found, &want);
            if found.spec == want.spec { ChildView::Seen(found) } else { ChildView::Changing }
        }
    }
}

/// The state of a Revision name that the user chose.
enum ChosenName {
    /// The user chose none.
    None,
    /// The Configuration has not decided yet.
    Open,
    /// Another Revision has it.
    Taken,
    Ours,
}

fn chosen_name(
    service: &Service,
    configuration: &ChildView<'_, Configuration>,
    named: Option<&Revision>,
) -> ChosenName {
    if service.spec.template.metadata.name.is_none() {
        return ChosenName::None;
    }
    match configuration {
        ChildView::Changing | ChildView::Waiting | ChildView::NameTaken | ChildView::NotOwned => {
            ChosenName::Open
        }
        ChildView::Seen(found) if !status::is_observed(*found) => ChosenName::Open,
        ChildView::Seen(found) => match named {
            Some(revision) if !is_stamp(found, revision) => ChosenName::Taken,
            Some(_) | None => ChosenName::Ours,
        },
    }
}

fn new_configuration(service: &Service, found: Option<&Configuration>) -> Configuration {
    let mut labels = labels_without(service, &[]);
    labels.insert(keys::SERVICE.to_owned(), name(service).to_owned());
    let uid = service.metadata.uid.clone().unwrap_or_default();
    labels.insert(keys::SERVICE_UID.to_owned(), uid);
    let without = [LAST_APPLIED, ROLLOUT_DURATIONS[0], ROLLOUT_DURATIONS[1]];
    let mut annotations = annotations_without(service, &without);
    // The first Revision carries its Route from its creation, before the Route has observed it.
    let routes = found.map(routes_of).unwrap_or_default();
    annotations.insert(keys::ROUTES.to_owned(), with_route(routes, name(service)));
    Configuration {
        metadata: meta(service, name(service), labels, annotations),
        spec: ConfigurationSpec { template: service.spec.template.clone() },
        status: None,
    }
}

fn updated_configuration(service: &Service, found: &Configuration) -> Configuration {
    let fresh = new_configuration(service, Some(found));
    let mut want = found.clone();
    want.metadata.labels = fresh.metadata.labels;
    want.metadata.annotations = fresh.metadata.annotations;
    want.spec = fresh.spec;
    want
}

fn new_route(service: &Service) -> Route {
    let mut labels = labels_without(service, &[]);
    labels.insert(keys::SERVICE.to_owned(), name(service).to_owned());
    let annotations = annotations_without(service, &[LAST_APPLIED]);
    Route {
        metadata: meta(service, name(service), labels, annotations),
        spec: RouteSpec {
            traffic: service.spec.traffic.iter().map(|t| target(service, t)).collect(),
        },
        status: None,
    }
}

fn updated_route(service: &Service, found: &Route) -> Route {
    let fresh = new_route(service);
    let mut want = found.clone();
    want.metadata.labels = fresh.metadata.labels;
    want.metadata.annotations = fresh.metadata.annotations;
    want.spec = fresh.spec;
    want
}

/// A target that names no Revision means the latest of the Service's own Configuration.
fn target(service: &Service, target: &TrafficTarget) -> TrafficTarget {
    let mut target = target.clone();
    if target.revision_name.as_deref().unwrap_or_default().is_empty() {
        target.revision_name = None;
        target.configuration_name = Some(name(service).to_owned());
    }
    target
}

//! Routes for tests, with their observed objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use rouse_api::config::{ApiConfig, Settings as _};
use rouse_api::{Configuration, Revision, Route, RouteStatus};
use rouse_kit::Plan;
use rouse_kit::plan::Action;

use super::desired::desired;
use super::observed::Observed;
use crate::lookups::served::Serving;
use crate::objects::gateway::Gateway;
use crate::testing::{now, object, told};

pub(super) fn route(traffic: &str) -> Route {
    object(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Route
metadata: {{name: hello, namespace: shop, uid: rt-1, generation: 3, labels: {{team: blue}}}}
spec: {{traffic: {traffic}}}
"#
    ))
}

pub(super) const LATEST: &str = "[{configurationName: greet, latestRevision: true, percent: 100}]";

pub(super) fn configuration(status: &str) -> Arc<Configuration> {
    Arc::new(object(&format!(
        "{{metadata: {{name: greet, namespace: shop, generation: 2, annotations: {{serving.knative.dev/routes: hello}}}}, spec: {{}}, status: {status}}}"
    )))
}

pub(super) fn revision(name: &str, state: &str, ready: &str) -> Arc<Revision> {
    let routes = if state == "active" { "hello" } else { "" };
    Arc::new(object(&format!(
        "{{metadata: {{name: {name}, namespace: shop, generation: 1, labels: {{serving.knative.dev/routingState: {state}}}, annotations: {{serving.knative.dev/routes: '{routes}'}}, ownerReferences: [{{apiVersion: v, kind: Configuration, name: greet, uid: u, controller: true}}]}}, spec: {{}}, status: {{observedGeneration: 1, conditions: [{{type: Ready, status: '{ready}'}}]}}}}"
    )))
}

pub(super) fn seen(configuration: Arc<Configuration>, revisions: Vec<Arc<Revision>>) -> Observed {
    Observed {
        configurations: BTreeMap::from([("greet".to_owned(), configuration)]),
        revisions: revisions.into_iter().map(|r| (r.metadata.name.clone().unwrap(), r)).collect(),
        placeholders: vec![],
        foreign_services: vec![],
        gateway: Gateway { port: Some(7080), https: None, local: None },
        serving: Serving::Unknown,
        config: Arc::new(config()),
    }
}

pub(super) fn config() -> ApiConfig {
    let mut config = ApiConfig::default();
    let domains = [("localhost".to_owned(), String::new())].into();
    config.domain = rouse_api::config::DomainConfig::from_data(&domains).unwrap();
    config
}

pub(super) fn plan(route: &Route, seen: &Observed) -> Plan<RouteStatus> {
    desired(route, seen, now())
}

pub(super) fn status(route: &Route, seen: &Observed) -> RouteStatus {
    plan(route, seen).status.unwrap()
}

/// AllTrafficAssigned and IngressReady. Ready is the worse of them.
pub(super) fn conditions(status: &RouteStatus) -> [String; 2] {
    ["AllTrafficAssigned", "IngressReady"].map(|type_| told(&status.conditions, type_))
}

/// Where traffic goes, a line for each host.
pub(super) fn hosts(status: &RouteStatus) -> String {
    let mut shown = String::new();
    for host in status.routing.iter().flat_map(|routing| &routing.hosts) {
        let split: Vec<String> =
            host.split.iter().map(|s| format!("{} {}%", s.revision, s.percent)).collect();
        let public = if host.public.is_empty() { "-".to_owned() } else { host.public.join(" ") };
        shown.push_str(&format!("{public} | {} => {}\n", host.local[0], split.join(", ")));
    }
    shown
}

pub(super) const ASSIGNED: &str = "True";
pub(super) const NOT_SERVED: &str =
    "Unknown Uninitialized Waiting until every activator serves the new traffic.";
pub(super) const TO_GREET_1: &str =
    "hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%\n";

/// The Route after a pass, with the core Services that it made.
pub(super) fn after(route: &Route, seen: &mut Observed) -> Route {
    let plan = plan(route, seen);
    for write in &plan.writes {
        if let Action::Create(body) = &write.action {
            seen.placeholders.push(Arc::new(serde_json::from_value(body.clone()).unwrap()));
        }
    }
    Route { status: plan.status, ..route.clone() }
}

pub(super) const ONE_READY: &str =
    "{observedGeneration: 2, latestCreatedRevisionName: greet-1, latestReadyRevisionName: greet-1}";

/// The Configuration's only Revision is ready.
pub(super) fn one_ready() -> Observed {
    seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")])
}

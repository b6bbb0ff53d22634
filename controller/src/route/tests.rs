//! Where a Route sends requests, and what it says and labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use expect_test::{Expect, expect};
use rouse_api::config::{ApiConfig, Settings as _};
use rouse_api::{Configuration, Revision, Route, RouteStatus};
use rouse_kit::Plan;
use rouse_kit::plan::Action;

use super::desired::desired;
use super::observed::Observed;
use crate::lookups::served::Serving;
use crate::objects::gateway::Gateway;
use crate::testing::{now, object, text};

fn route(traffic: &str) -> Route {
    object(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Route
metadata: {{name: hello, namespace: shop, uid: rt-1, generation: 3, labels: {{team: blue}}}}
spec: {{traffic: {traffic}}}
"#
    ))
}

const LATEST: &str = "[{configurationName: greet, latestRevision: true, percent: 100}]";

fn configuration(status: &str) -> Arc<Configuration> {
    Arc::new(object(&format!(
        "{{metadata: {{name: greet, namespace: shop, generation: 2, annotations: {{serving.knative.dev/routes: hello}}}}, spec: {{}}, status: {status}}}"
    )))
}

fn revision(name: &str, state: &str, ready: &str) -> Arc<Revision> {
    let routes = if state == "active" { "hello" } else { "" };
    Arc::new(object(&format!(
        "{{metadata: {{name: {name}, namespace: shop, generation: 1, labels: {{serving.knative.dev/routingState: {state}}}, annotations: {{serving.knative.dev/routes: '{routes}'}}, ownerReferences: [{{apiVersion: v, kind: Configuration, name: greet, uid: u, controller: true}}]}}, spec: {{}}, status: {{observedGeneration: 1, conditions: [{{type: Ready, status: '{ready}'}}]}}}}"
    )))
}

fn seen(configuration: Arc<Configuration>, revisions: Vec<Arc<Revision>>) -> Observed {
    Observed {
        configurations: BTreeMap::from([("greet".to_owned(), configuration)]),
        revisions: revisions.into_iter().map(|r| (r.metadata.name.clone().unwrap(), r)).collect(),
        placeholders: vec![],
        foreign_services: vec![],
        gateway: Gateway { port: Some(7080) },
        serving: Serving::Unknown,
        config: Arc::new(config()),
    }
}

fn config() -> ApiConfig {
    let mut config = ApiConfig::default();
    let domains = [("localhost".to_owned(), String::new())].into();
    config.domain = rouse_api::config::DomainConfig::from_data(&domains).unwrap();
    config
}

fn plan(route: &Route, seen: &Observed) -> Plan<RouteStatus> {
    desired(route, seen, now())
}

/// The plan, and where traffic goes after it.
fn shown(plan: &Plan<RouteStatus>) -> String {
    let mut shown = text(plan, |status| &status.conditions);
    let status = plan.status.as_ref().unwrap();
    for host in status.routing.iter().flat_map(|routing| &routing.hosts) {
        let split: Vec<String> =
            host.split.iter().map(|s| format!("{} {}%", s.revision, s.percent)).collect();
        let public = if host.public.is_empty() { "-".to_owned() } else { host.public.join(" ") };
        shown.push_str(&format!("{public} | {} => {}\n", host.local[0], split.join(", ")));
    }
    shown
}

fn check(route: &Route, seen: &Observed, expected: &Expect) {
    expected.assert_eq(&shown(&plan(route, seen)));
}

/// The Route after a pass, with the core Services that it made.
fn after(route: &Route, seen: &mut Observed) -> Route {
    let plan = plan(route, seen);
    for write in &plan.writes {
        if let Action::Create(body) = &write.action {
            seen.placeholders.push(Arc::new(serde_json::from_value(body.clone()).unwrap()));
        }
    }
    Route { status: plan.status, ..route.clone() }
}

const ONE_READY: &str =
    "{observedGeneration: 2, latestCreatedRevisionName: greet-1, latestReadyRevisionName: greet-1}";

#[test]
fn a_route_waits_for_its_first_revision() {
    check(
        &route(LATEST),
        &seen(configuration("{}"), vec![revision("greet-1", "active", "Unknown")]),
        &expect![[r#"
            create Service shop/hello
            AllTrafficAssigned=Unknown RevisionMissing Configuration "greet" is waiting for a Revision to become ready.
            CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
            IngressReady=Unknown
            Ready=Unknown RevisionMissing Configuration "greet" is waiting for a Revision to become ready.
        "#]],
    );
}

#[test]
fn a_ready_revision_is_routed_and_the_route_waits_for_the_activators() {
    let seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    check(
        &route(LATEST),
        &seen,
        &expect![[r#"
        create Service shop/hello
        AllTrafficAssigned=True
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=Unknown Uninitialized Waiting until every activator serves the new traffic.
        Ready=Unknown Uninitialized Waiting until every activator serves the new traffic.
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
}

#[test]
fn a_route_is_ready_when_what_is_written_is_served() {
    let mut seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    let written = after(&route(LATEST), &mut seen);
    let version = written.status.as_ref().unwrap().routing.as_ref().unwrap().version;
    seen.serving = Serving::Known { version: version - 1 };
    check(
        &written,
        &seen,
        &expect![[r#"
        AllTrafficAssigned=True
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=Unknown Uninitialized Waiting until every activator serves the new traffic.
        Ready=Unknown Uninitialized Waiting until every activator serves the new traffic.
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
    seen.serving = Serving::Known { version };
    check(
        &written,
        &seen,
        &expect![[r#"
        AllTrafficAssigned=True
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=True
        Ready=True
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
}

#[test]
fn after_a_restart_a_ready_route_stays_ready() {
    let mut seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let ready = after(&written, &mut seen);
    seen.serving = Serving::Unknown;
    assert_eq!(plan(&ready, &seen).status, ready.status);
}

#[test]
fn the_version_grows_with_each_change_and_with_nothing_else() {
    let mut seen = seen(
        configuration(ONE_READY),
        vec![revision("greet-1", "active", "True"), revision("greet-2", "pending", "True")],
    );
    let version = |route: &Route| route.status.as_ref().unwrap().routing.as_ref().unwrap().version;
    let first = after(&route(LATEST), &mut seen);
    assert_eq!(version(&first), now().as_millisecond());
    assert_eq!(version(&after(&first, &mut seen)), version(&first));
    seen.configurations.insert(
        "greet".to_owned(),
        configuration("{latestCreatedRevisionName: greet-2, latestReadyRevisionName: greet-2}"),
    );
    assert_eq!(version(&after(&first, &mut seen)), version(&first) + 1);
}

const SPLIT: &str = "[{revisionName: greet-1, percent: 60, tag: old}, {revisionName: greet-1, percent: 15}, {configurationName: greet, percent: 25}, {revisionName: greet-1, tag: idle}]";

#[test]
fn shares_of_one_revision_add_up_and_each_tag_has_its_host() {
    let two = "{observedGeneration: 2, latestCreatedRevisionName: greet-2, latestReadyRevisionName: greet-2}";
    let seen = seen(
        configuration(two),
        vec![revision("greet-1", "active", "True"), revision("greet-2", "active", "True")],
    );
    let route = route(SPLIT);
    check(
        &route,
        &seen,
        &expect![[r#"
        create Service shop/hello
        create Service shop/old-hello
        create Service shop/idle-hello
        AllTrafficAssigned=True
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=Unknown Uninitialized Waiting until every activator serves the new traffic.
        Ready=Unknown Uninitialized Waiting until every activator serves the new traffic.
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 75%, greet-2 25%
        old-hello.shop.localhost | old-hello.shop.svc.cluster.local => greet-1 100%
        idle-hello.shop.localhost | idle-hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
    let traffic = plan(&route, &seen).status.unwrap().traffic;
    expect![[r#"
        - tag: old
          revisionName: greet-1
          latestRevision: false
          percent: 60
          url: http://old-hello.shop.localhost:7080
        - revisionName: greet-1
          latestRevision: false
          percent: 15
        - revisionName: greet-2
          latestRevision: true
          percent: 25
        - tag: idle
          revisionName: greet-1
          latestRevision: false
          percent: 0
          url: http://idle-hello.shop.localhost:7080
    "#]]
    .assert_eq(&serde_yaml::to_string(&traffic).unwrap());
}

#[test]
fn old_traffic_stays_while_a_target_cannot_be_routed_to() {
    let mut seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let mut ready = after(&written, &mut seen);
    ready.spec = route("[{revisionName: greet-9, percent: 100}]").spec;
    ready.metadata.generation = Some(4);
    check(
        &ready,
        &seen,
        &expect![[r#"
        AllTrafficAssigned=False RevisionMissing Revision "greet-9" referenced in traffic not found.
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=True
        Ready=False RevisionMissing Revision "greet-9" referenced in traffic not found.
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
}

#[test]
fn a_configuration_that_failed_gives_its_route_no_revision() {
    let failed = "{observedGeneration: 2, conditions: [{type: Ready, status: 'False'}]}";
    check(
        &route(LATEST),
        &seen(configuration(failed), vec![revision("greet-1", "active", "False")]),
        &expect![[r#"
            create Service shop/hello
            AllTrafficAssigned=False RevisionMissing Configuration "greet" does not have any ready Revision.
            CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
            IngressReady=Unknown
            Ready=False RevisionMissing Configuration "greet" does not have any ready Revision.
        "#]],
    );
}

#[test]
fn a_routed_revision_whose_pod_fails_stays_routed() {
    let pinned = "[{revisionName: greet-1, percent: 100}]";
    let mut seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    let written = after(&route(pinned), &mut seen);
    seen.revisions.insert("greet-1".to_owned(), revision("greet-1", "active", "False"));
    let next = plan(&written, &seen).status.unwrap();
    assert_eq!(next.routing, written.status.unwrap().routing);
    assert!(next.conditions.iter().any(|c| c.type_ == "AllTrafficAssigned" && c.is_true()));
}

#[test]
fn labels_are_added_before_traffic_and_taken_away_once_it_is_served() {
    let two = "{observedGeneration: 2, latestCreatedRevisionName: greet-2, latestReadyRevisionName: greet-2}";
    let mut seen = seen(
        configuration(two),
        vec![revision("greet-1", "active", "True"), revision("greet-2", "pending", "True")],
    );
    let first = plan(&route(LATEST), &seen);
    assert_eq!(
        first.to_string(),
        "create Service shop/hello\npatch Revision shop/greet-2\n",
        "greet-1 is kept while the new state is not served"
    );
    seen.revisions.insert("greet-2".to_owned(), revision("greet-2", "active", "True"));
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let ready = after(&written, &mut seen);
    let last = plan(&ready, &seen);
    assert_eq!(last.to_string(), "patch Revision shop/greet-1\n");
    let Action::Patch(patch) = &last.writes[0].action else { panic!("{last}") };
    assert_eq!(patch["metadata"]["labels"]["serving.knative.dev/routingState"], "reserve");
    assert!(patch["metadata"]["annotations"]["serving.knative.dev/routes"].is_null());
}

#[test]
fn a_revision_that_its_configuration_has_not_come_to_yet_stays_active() {
    let of_generation = |name: &str, generation: u8| {
        let mut revision = revision(name, "active", "Unknown");
        let label = ("serving.knative.dev/configurationGeneration", generation.to_string());
        let labels = Arc::make_mut(&mut revision).metadata.labels.as_mut().unwrap();
        labels.insert(label.0.to_owned(), label.1);
        revision
    };
    let ready = Arc::new(Revision {
        status: revision("greet-1", "active", "True").status.clone(),
        ..(*of_generation("greet-1", 1)).clone()
    });
    let mut seen = seen(configuration(ONE_READY), vec![ready]);
    let written = after(&route(LATEST), &mut seen);
    seen.serving = Serving::Known { version: i64::MAX };
    let settled = after(&written, &mut seen);
    seen.revisions.insert("greet-3".to_owned(), of_generation("greet-3", 3));
    assert_eq!(plan(&settled, &seen).to_string(), "");
    // It has come to this one, and to going back from it.
    seen.revisions.insert("greet-2".to_owned(), of_generation("greet-2", 2));
    assert_eq!(plan(&settled, &seen).to_string(), "patch Revision shop/greet-2\n");
}

#[test]
fn a_route_that_is_local_has_no_public_host() {
    let mut route = route(LATEST);
    let label = ("networking.knative.dev/visibility".to_owned(), "cluster-local".to_owned());
    route.metadata.labels = Some([label].into());
    let seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    check(
        &route,
        &seen,
        &expect![[r#"
        create Service shop/hello
        AllTrafficAssigned=True
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=Unknown Uninitialized Waiting until every activator serves the new traffic.
        Ready=Unknown Uninitialized Waiting until every activator serves the new traffic.
        - | hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
    let status = plan(&route, &seen).status.unwrap();
    assert_eq!(status.url.as_deref(), Some("http://hello.shop.svc.cluster.local"));
}

#[test]
fn a_label_on_the_core_service_makes_its_tag_local() {
    let mut seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    let tagged = route("[{configurationName: greet, percent: 100, tag: next}]");
    let written = after(&tagged, &mut seen);
    let next =
        seen.placeholders.iter_mut().find(|s| s.metadata.name.as_deref() == Some("next-hello"));
    let label = ("networking.knative.dev/visibility".to_owned(), "cluster-local".to_owned());
    Arc::make_mut(next.unwrap()).metadata.labels.as_mut().unwrap().extend([label]);
    check(
        &written,
        &seen,
        &expect![[r#"
        AllTrafficAssigned=True
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=Unknown Uninitialized Waiting until every activator serves the new traffic.
        Ready=Unknown Uninitialized Waiting until every activator serves the new traffic.
        hello.shop.localhost | hello.shop.svc.cluster.local => greet-1 100%
        - | next-hello.shop.svc.cluster.local => greet-1 100%
    "#]],
    );
}

#[test]
fn a_foreign_services_core_service_keeps_the_name() {
    let mut seen = seen(configuration(ONE_READY), vec![revision("greet-1", "active", "True")]);
    seen.foreign_services = vec!["hello".to_owned()];
    check(
        &route(LATEST),
        &seen,
        &expect![[r#"
        AllTrafficAssigned=Unknown
        CertificateProvisioned=True TLSNotEnabled external-domain-tls is not enabled
        IngressReady=False NotOwned There is an existing Service "hello" that we do not own.
        Ready=False NotOwned There is an existing Service "hello" that we do not own.
    "#]],
    );
}

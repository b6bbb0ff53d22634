//! Children and status of a Service.

use std::sync::Arc;

use expect_test::{Expect, expect};
use rouse_api::{Configuration, Revision, Route, Service};
use rouse_kit::plan::Action;

use super::Services;
use super::desired::{Observed, desired};
use crate::reconciler::Reconciler;
use crate::testing::{now, object, refusal, text, told};

fn service(extra: &str) -> Service {
    object(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
  namespace: shop
  uid: svc-1
  generation: 2
  labels: {{team: blue}}
  annotations:
    serving.knative.dev/creator: ann
    serving.knative.dev/rollout-duration: 3s
    kubectl.kubernetes.io/last-applied-configuration: "{{}}"
spec:
  template:
    {extra}
    spec:
      timeoutSeconds: 300
      containers: [{{name: user-container, image: digits}}]
  traffic: [{{latestRevision: true, percent: 100}}]
"#
    ))
}

const OWNED: &str = r#"ownerReferences: [{apiVersion: serving.knative.dev/v1, kind: Service, name: hello, uid: svc-1, controller: true, blockOwnerDeletion: true}]"#;

/// The objects of the first pass, as the server would return them, with a status.
fn made(service: &Service, configuration: &str, route: &str) -> Observed {
    let plan = desired(service, &Observed { configuration: None, route: None, named: None }, now());
    let mut seen = Observed { configuration: None, route: None, named: None };
    for write in plan.writes {
        let Action::Create(body) = write.action else { panic!("{write}") };
        match write.resource.kind.as_str() {
            "Configuration" => {
                let mut made: Configuration = serde_json::from_value(body).unwrap();
                made.metadata.generation = Some(3);
                made.status = Some(object(configuration));
                seen.configuration = Some(Arc::new(made));
            }
            _ => {
                let mut made: Route = serde_json::from_value(body).unwrap();
                made.metadata.generation = Some(1);
                made.status = Some(object(route));
                seen.route = Some(Arc::new(made));
            }
        }
    }
    seen
}

fn check(service: &Service, seen: &Observed, expected: &Expect) {
    let plan = desired(service, seen, now());
    expected.assert_eq(&text(&plan, |status| &status.conditions));
}

const READY_CONFIGURATION: &str = r#"{observedGeneration: 3, latestCreatedRevisionName: hello-00003, latestReadyRevisionName: hello-00003, conditions: [{type: Ready, status: "True"}]}"#;
const READY_ROUTE: &str = r#"{observedGeneration: 1, url: "http://hello.shop.localhost", traffic: [{revisionName: hello-00003, percent: 100, latestRevision: true}], conditions: [{type: Ready, status: "True"}]}"#;

#[test]
fn a_new_service_makes_its_configuration_and_its_route() {
    check(
        &service(""),
        &Observed { configuration: None, route: None, named: None },
        &expect![[r#"
            create Configuration shop/hello
            create Route shop/hello
            notice Normal Created: Created Configuration "hello"
            notice Normal Created: Created Route "hello"
            ConfigurationsReady=Unknown OutOfDate The Configuration does not reflect the latest specification yet.
            Ready=Unknown OutOfDate The Route does not reflect the latest specification yet.
            RoutesReady=Unknown OutOfDate The Route does not reflect the latest specification yet.
        "#]],
    );
}

#[test]
fn children_carry_the_services_labels_and_annotations_except_its_own() {
    let seen = made(&service(""), READY_CONFIGURATION, READY_ROUTE);
    let configuration = seen.configuration.unwrap();
    let shown = |meta: &kube::api::ObjectMeta| {
        format!("{:?}\n{:?}\n", meta.labels.as_ref().unwrap(), meta.annotations.as_ref().unwrap())
    };
    expect![[r#"
        {"serving.knative.dev/service": "hello", "serving.knative.dev/serviceUID": "svc-1", "team": "blue"}
        {"serving.knative.dev/creator": "ann", "serving.knative.dev/routes": "hello"}
    "#]]
    .assert_eq(&shown(&configuration.metadata));
    expect![[r#"
        {"serving.knative.dev/service": "hello", "team": "blue"}
        {"serving.knative.dev/creator": "ann", "serving.knative.dev/rollout-duration": "3s"}
    "#]]
    .assert_eq(&shown(&seen.route.unwrap().metadata));
}

#[test]
fn a_service_is_ready_when_both_children_are() {
    let service = service("");
    check(
        &service,
        &made(&service, READY_CONFIGURATION, READY_ROUTE),
        &expect![[r#"
            ConfigurationsReady=True
            Ready=True
            RoutesReady=True
        "#]],
    );
}

#[test]
fn traffic_that_has_not_moved_to_the_latest_revision_is_not_ready() {
    let service = service("");
    let old = READY_ROUTE.replace("hello-00003", "hello-00002");
    check(
        &service,
        &made(&service, READY_CONFIGURATION, &old),
        &expect![[r#"
            ConfigurationsReady=True
            Ready=Unknown TrafficNotMigrated Traffic is not yet migrated to the latest revision.
            RoutesReady=Unknown TrafficNotMigrated Traffic is not yet migrated to the latest revision.
        "#]],
    );
}

#[test]
fn a_failed_revision_fails_the_service_with_its_reason() {
    let service = service("");
    let failed = r#"{observedGeneration: 3, latestCreatedRevisionName: hello-00003, conditions: [{type: Ready, status: "False", reason: RevisionFailed, message: "it broke"}]}"#;
    let route = r#"{observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: RevisionMissing, message: "none"}]}"#;
    check(
        &service,
        &made(&service, failed, route),
        &expect![[r#"
            ConfigurationsReady=False RevisionFailed it broke
            Ready=False RevisionMissing none
            RoutesReady=False RevisionMissing none
        "#]],
    );
}

#[test]
fn a_change_of_the_template_updates_the_configuration_alone() {
    let service = service("");
    let seen = made(&service, READY_CONFIGURATION, READY_ROUTE);
    let mut changed = service;
    changed.status = Some(object("{latestReadyRevisionName: hello-00003}"));
    changed.spec.template.spec.timeout_seconds = Some(7);
    check(
        &changed,
        &seen,
        &expect![[r#"
            update Configuration shop/hello
            ConfigurationsReady=Unknown OutOfDate The Configuration does not reflect the latest specification yet.
            Ready=Unknown OutOfDate The Configuration does not reflect the latest specification yet.
            RoutesReady=True
        "#]],
    );
}

#[test]
fn a_configuration_of_another_owner_is_left_alone() {
    let stranger: Configuration = object(
        "{apiVersion: serving.knative.dev/v1, kind: Configuration, metadata: {name: hello, namespace: shop, uid: other}, spec: {}}",
    );
    let seen = Observed { configuration: Some(Arc::new(stranger)), route: None, named: None };
    check(
        &service(""),
        &seen,
        &expect![[r#"
            create Route shop/hello
            notice Normal Created: Created Route "hello"
            ConfigurationsReady=False NotOwned There is an existing Configuration "hello" that we do not own.
            Ready=False NotOwned There is an existing Configuration "hello" that we do not own.
            RoutesReady=Unknown OutOfDate The Route does not reflect the latest specification yet.
        "#]],
    );
}

#[test]
fn a_route_of_another_owner_is_left_alone() {
    let service = service("");
    let mut seen = made(&service, READY_CONFIGURATION, READY_ROUTE);
    Arc::make_mut(seen.route.as_mut().unwrap()).metadata.owner_references = None;
    check(
        &service,
        &seen,
        &expect![[r#"
            ConfigurationsReady=True
            Ready=False NotOwned There is an existing Route "hello" that we do not own.
            RoutesReady=False NotOwned There is an existing Route "hello" that we do not own.
        "#]],
    );
}

#[test]
fn a_revision_name_that_is_taken_keeps_the_route_as_it_was() {
    let service = service("metadata: {name: hello-mine}");
    let taken = r#"{observedGeneration: 3, conditions: [{type: Ready, status: "False", reason: RevisionFailed, message: "Revision creation failed with message: revisions.serving.knative.dev \"hello-mine\" already exists"}]}"#;
    let configuration: Configuration = object(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata:
  name: hello
  namespace: shop
  uid: cfg-1
  generation: 3
  labels: {{serving.knative.dev/service: hello, serving.knative.dev/serviceUID: svc-1, team: blue}}
  annotations: {{serving.knative.dev/creator: ann, serving.knative.dev/routes: hello}}
  {OWNED}
spec:
  template:
    metadata: {{name: hello-mine}}
    spec:
      timeoutSeconds: 300
      containers: [{{name: user-container, image: digits}}]
status: {taken}
"#
    ));
    let named: Revision = object(
        "{metadata: {name: hello-mine, namespace: shop}, spec: {containers: [{name: user-container, image: other}]}}",
    );
    let mut seen = Observed {
        configuration: Some(Arc::new(configuration)),
        route: None,
        named: Some(Arc::new(named)),
    };
    let mut behind = seen.configuration.clone().unwrap();
    Arc::make_mut(&mut behind).metadata.generation = Some(4);
    let behind = Observed { configuration: Some(behind), route: None, named: seen.named.clone() };
    check(
        &service,
        &behind,
        &expect![[r#"
            ConfigurationsReady=Unknown OutOfDate The Configuration does not reflect the latest specification yet.
            Ready=Unknown OutOfDate The Route does not reflect the latest specification yet.
            RoutesReady=Unknown OutOfDate The Route does not reflect the latest specification yet.
        "#]],
    );
    check(
        &service,
        &seen,
        &expect![[r#"
            ConfigurationsReady=False RevisionFailed Revision creation failed with message: revisions.serving.knative.dev "hello-mine" already exists
            Ready=False RevisionNameTaken The Revision name "hello-mine" is taken by another Revision.
            RoutesReady=False RevisionNameTaken The Revision name "hello-mine" is taken by another Revision.
        "#]],
    );
    let mut ours = (*seen.named.unwrap()).clone();
    ours.spec = service.spec.template.spec.clone();
    ours.metadata.owner_references = Some(vec![object(
        "{apiVersion: serving.knative.dev/v1, kind: Configuration, name: hello, uid: cfg-1, controller: true}",
    )]);
    seen.named = Some(Arc::new(ours));
    assert_eq!(
        desired(&service, &seen, now()).writes[0].to_string(),
        "create Route shop/hello",
        "a name that the Configuration holds is not taken"
    );
}

#[test]
fn a_refusal_is_reported_by_the_condition_of_the_refused_child() {
    for (kind, told_by, other) in [
        ("Configuration", "ConfigurationsReady", "RoutesReady"),
        ("Route", "RoutesReady", "ConfigurationsReady"),
    ] {
        let error = refusal(kind);
        let status = Services::refused(&service(""), &error, now()).unwrap();
        let refused = format!("False Refused {error}");
        assert_eq!(told(&status.conditions, told_by), refused);
        assert_eq!(told(&status.conditions, "Ready"), refused);
        assert_eq!(told(&status.conditions, other), "Unknown");
    }
}

#[test]
fn a_child_status_of_an_older_spec_is_not_used() {
    let service = service("");
    let configuration =
        "Unknown OutOfDate The Configuration does not reflect the latest specification yet.";
    let route = "Unknown OutOfDate The Route does not reflect the latest specification yet.";
    let behind = |status: &str| status.replacen("observedGeneration: ", "observedGeneration: 9", 1);
    for (seen, expected) in [
        (made(&service, READY_CONFIGURATION, READY_ROUTE), ["True", "True"]),
        (made(&service, &behind(READY_CONFIGURATION), READY_ROUTE), [configuration, "True"]),
        (made(&service, READY_CONFIGURATION, &behind(READY_ROUTE)), ["True", route]),
        (made(&service, "{}", READY_ROUTE), [configuration, "True"]),
        (made(&service, READY_CONFIGURATION, "{}"), ["True", route]),
    ] {
        let mut before = service.clone();
        before.status = Some(object("{latestReadyRevisionName: hello-00003}"));
        let status = desired(&before, &seen, now()).status.unwrap();
        let told = |type_| told(&status.conditions, type_);
        assert_eq!([told("ConfigurationsReady"), told("RoutesReady")], expected);
    }
}

#[test]
fn a_field_that_is_empty_rather_than_absent_changes_nothing() {
    let plain = service("");
    let seen = made(&plain, READY_CONFIGURATION, READY_ROUTE);
    let mut written = plain;
    written.spec.template.spec.pod.node_selector = Some([].into());
    let plan = desired(&written, &seen, now());
    assert_eq!(plan.to_string(), "");
    assert_eq!(told(&plan.status.unwrap().conditions, "ConfigurationsReady"), "True");
}

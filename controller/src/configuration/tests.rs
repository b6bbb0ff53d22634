//! Revisions and status of a Configuration.

use std::sync::Arc;

use expect_test::{Expect, expect};
use kube::ResourceExt;
use rouse_api::{Configuration, Revision};
use rouse_kit::plan::Action;

use super::Configurations;
use super::desired::{Observed, desired, newest_first};
use super::revision::{name_for, stamp};
use crate::reconciler::Reconciler;
use crate::testing::{now, object, refusal, text, told};

const READY: &str = r#"{observedGeneration: 1, conditions: [{type: Ready, status: "True"}]}"#;
const FAILED: &str = r#"{observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: ExitCode3, message: "it broke"}]}"#;
const PENDING: &str = "{}";

fn configuration(generation: i64, chosen: &str, status: &str) -> Configuration {
    object(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata:
  name: hello
  namespace: shop
  uid: cfg-1
  generation: {generation}
  labels: {{serving.knative.dev/service: hello, team: blue}}
  annotations: {{serving.knative.dev/lastModifier: ann, serving.knative.dev/routes: hello}}
spec:
  template:
    metadata: {{labels: {{tier: gold}}, annotations: {{color: red}}{chosen}}}
    spec:
      containers: [{{name: user-container, image: digits}}]
status: {status}
"#
    ))
}

/// The Revision that is stamped for this state of the Configuration.
fn revision(of: &Configuration, status: &str) -> Arc<Revision> {
    let mut revision = stamp(of, &name_for(of), now());
    revision.metadata.generation = Some(1);
    revision.status = Some(object(status));
    Arc::new(revision)
}

fn check(configuration: &Configuration, mut owned: Vec<Arc<Revision>>, expected: &Expect) {
    newest_first(&mut owned);
    let wanted = name_for(configuration);
    let named = owned.iter().find(|revision| revision.name_any() == wanted).cloned();
    let plan = desired(configuration, &Observed { named, owned, gone_routes: vec![] }, now());
    let mut shown = text(&plan, |status| &status.conditions);
    let status = plan.status.unwrap();
    let latest = |name: Option<String>| name.unwrap_or_else(|| "none".to_owned());
    shown.push_str(&format!(
        "created {} ready {}\n",
        latest(status.latest_created_revision_name),
        latest(status.latest_ready_revision_name)
    ));
    expected.assert_eq(&shown);
}

#[test]
fn a_generation_stamps_a_revision() {
    check(
        &configuration(7, "", "{}"),
        vec![],
        &expect![[r#"
            create Revision shop/hello-00007
            notice Normal Created: Created Revision "hello-00007"
            Ready=Unknown
            created hello-00007 ready none
        "#]],
    );
}

#[test]
fn a_revision_carries_the_templates_labels_and_its_owner() {
    let of = configuration(7, "", "{}");
    let plan = desired(&of, &Observed { named: None, owned: vec![], gone_routes: vec![] }, now());
    let Action::Create(body) = &plan.writes[0].action else { panic!("{plan}") };
    expect![[r#"
        {
          "annotations": {
            "color": "red",
            "serving.knative.dev/creator": "ann",
            "serving.knative.dev/routes": "hello",
            "serving.knative.dev/routingStateModified": "2026-03-02T10:00:00Z"
          },
          "labels": {
            "serving.knative.dev/configuration": "hello",
            "serving.knative.dev/configurationGeneration": "7",
            "serving.knative.dev/configurationUID": "cfg-1",
            "serving.knative.dev/routingState": "active",
            "serving.knative.dev/service": "hello",
            "tier": "gold"
          },
          "name": "hello-00007",
          "namespace": "shop",
          "ownerReferences": [
            {
              "apiVersion": "serving.knative.dev/v1",
              "blockOwnerDeletion": true,
              "controller": true,
              "kind": "Configuration",
              "name": "hello",
              "uid": "cfg-1"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&body["metadata"]).unwrap());
}

#[test]
fn the_newest_revision_makes_it_ready() {
    let of = configuration(2, "", "{}");
    check(
        &of,
        vec![revision(&of, READY)],
        &expect![[r#"
            notice Normal ConfigurationReady: Configuration becomes ready
            notice Normal LatestReadyUpdate: LatestReadyRevisionName updated to "hello-00002"
            Ready=True
            created hello-00002 ready hello-00002
        "#]],
    );
}

#[test]
fn a_failed_revision_leaves_the_one_before_it_the_latest_ready() {
    let of = configuration(3, "", "{latestReadyRevisionName: hello-00002}");
    check(
        &of,
        vec![revision(&of, FAILED), revision(&configuration(2, "", "{}"), READY)],
        &expect![[r#"
            Ready=False RevisionFailed Revision "hello-00003" failed with message: it broke.
            created hello-00003 ready hello-00002
        "#]],
    );
}

#[test]
fn of_two_ready_revisions_the_newer_is_the_latest() {
    let of = configuration(3, "", "{}");
    let older = |generation| revision(&configuration(generation, "", "{}"), READY);
    check(
        &of,
        vec![older(1), revision(&of, PENDING), older(2)],
        &expect![[r#"
            notice Normal ConfigurationReady: Configuration becomes ready
            notice Normal LatestReadyUpdate: LatestReadyRevisionName updated to "hello-00002"
            Ready=Unknown
            created hello-00003 ready hello-00002
        "#]],
    );
}

#[test]
fn a_revision_that_is_not_ready_any_more_stays_the_latest_ready() {
    let of = configuration(3, "", "{latestReadyRevisionName: hello-00003}");
    check(
        &of,
        vec![revision(&of, PENDING)],
        &expect![[r#"
            Ready=Unknown
            created hello-00003 ready hello-00003
        "#]],
    );
}

#[test]
fn a_refused_revision_is_reported() {
    let error = refusal("Revision");
    let status = Configurations::refused(&configuration(2, "", "{}"), &error, now()).unwrap();
    let message = format!("Revision creation failed with message: {error}.");
    assert_eq!(told(&status.conditions, "Ready"), format!("False RevisionFailed {message}"));
    assert_eq!(status.observed_generation, Some(2));
}

#[test]
fn an_older_revision_never_becomes_the_latest_ready_again() {
    let of = configuration(3, "", "{latestReadyRevisionName: hello-00002}");
    check(
        &of,
        vec![
            revision(&of, PENDING),
            revision(&configuration(2, "", "{}"), FAILED),
            revision(&configuration(1, "", "{}"), READY),
        ],
        &expect![[r#"
            Ready=Unknown
            created hello-00003 ready hello-00002
        "#]],
    );
}

#[test]
fn a_pending_revision_may_overtake_while_a_newer_one_fails() {
    let of = configuration(4, "", "{latestReadyRevisionName: hello-00002}");
    check(
        &of,
        vec![revision(&of, FAILED), revision(&configuration(3, "", "{}"), READY)],
        &expect![[r#"
            notice Normal LatestReadyUpdate: LatestReadyRevisionName updated to "hello-00003"
            Ready=False RevisionFailed Revision "hello-00004" failed with message: it broke.
            created hello-00004 ready hello-00003
        "#]],
    );
}

#[test]
fn the_user_rolls_back_by_naming_an_older_revision() {
    let first = configuration(1, ", name: hello-first", "{}");
    let back = configuration(3, ", name: hello-first", "{latestReadyRevisionName: hello-00002}");
    check(
        &back,
        vec![revision(&first, READY), revision(&configuration(2, "", "{}"), READY)],
        &expect![[r#"
            notice Normal LatestReadyUpdate: LatestReadyRevisionName updated to "hello-first"
            Ready=True
            created hello-first ready hello-first
        "#]],
    );
}

#[test]
fn a_name_of_a_revision_with_another_template_is_taken() {
    let mut first = configuration(1, ", name: hello-first", "{}");
    first.spec.template.spec.timeout_seconds = Some(9);
    check(
        &configuration(3, ", name: hello-first", "{latestReadyRevisionName: hello-00002}"),
        vec![revision(&first, READY)],
        &expect![[r#"
            Ready=False RevisionFailed Revision creation failed with message: revisions.serving.knative.dev "hello-first" already exists
            created none ready hello-00002
        "#]],
    );
}

#[test]
fn a_deleted_route_is_removed_from_the_annotation() {
    let mut of = configuration(1, "", "{}");
    let routes = of.metadata.annotations.as_mut().unwrap();
    routes.insert("serving.knative.dev/routes".to_owned(), "blue,green,hello".to_owned());
    let gone = crate::objects::routing_state::gone_routes(&of, |route| route == "green");
    assert_eq!(gone, ["blue"], "its Service makes hello again");
    let plan = desired(&of, &Observed { named: None, owned: vec![], gone_routes: gone }, now());
    assert_eq!(plan.to_string(), "patch Configuration shop/hello\n");
    let Action::Patch(patch) = &plan.writes[0].action else { panic!("{plan}") };
    assert_eq!(patch["metadata"]["annotations"]["serving.knative.dev/routes"], "green,hello");
}

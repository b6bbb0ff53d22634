//! Children and status of a Revision.

use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use rouse_api::config::ApiConfig;
use rouse_api::revision::ContainerImage;
use rouse_api::{PodAutoscaler, Revision};
use rouse_kit::plan::Action;
use serde_json::Value;

use super::desired::desired;
use super::observed::{Observed, Settings};
use crate::lookups::images::{Digests, ImageLookup, Pinned};
use crate::testing::{now, object, text};

fn revision(annotations: &str, status: &str) -> Revision {
    object(&format!(
        r#"
apiVersion: serving.knative.dev/v1
kind: Revision
metadata:
  name: hello-00002
  namespace: shop
  uid: rev-2
  generation: 1
  labels:
    serving.knative.dev/configuration: greet
    serving.knative.dev/service: hello
    serving.knative.dev/routingState: active
  annotations:
    color: red
    serving.knative.dev/routes: hello
    {annotations}
spec:
  containerConcurrency: 3
  timeoutSeconds: 60
  enableServiceLinks: false
  containers:
  - name: user-container
    image: digits:2
    ports: [{{name: h2c, containerPort: 9000}}]
    env: [{{name: MODEL, value: small}}]
    readinessProbe: {{successThreshold: 1, tcpSocket: {{port: 0}}}}
    livenessProbe: {{httpGet: {{path: /live, port: h2c}}, periodSeconds: 7}}
status: {status}
"#
    ))
}

fn pinned() -> Pinned {
    let image_digest = "digits@sha256:abc".to_owned();
    let image = ContainerImage { name: "user-container".to_owned(), image_digest };
    Pinned::Known(Digests { containers: vec![image], init: vec![] })
}

const OWNER: &str = "ownerReferences: [{apiVersion: serving.knative.dev/v1, kind: Revision, name: hello-00002, uid: rev-2, controller: true}]";

fn deployment(replicas: i32, status: &str) -> Arc<Deployment> {
    Arc::new(object(&format!(
        "{{metadata: {{name: hello-00002-deployment, namespace: shop, {OWNER}}}, spec: {{replicas: {replicas}, selector: {{}}, template: {{}}}}, status: {status}}}"
    )))
}

fn autoscaler(conditions: &str) -> Arc<PodAutoscaler> {
    let mut built = super::autoscaler::build(&revision("", "{}"), None, &ApiConfig::default());
    built.status =
        Some(object(&format!("{{desiredScale: 1, actualScale: 1, conditions: {conditions}}}")));
    Arc::new(built)
}

/// It has served before.
const WAKING: &str = "[{type: Active, status: Unknown, reason: Queued}, {type: ScaleTargetInitialized, status: 'True'}]";
const WAITING: &str = "[{type: Active, status: Unknown, reason: Queued}, {type: ScaleTargetInitialized, status: Unknown}]";
const SERVING: &str =
    "[{type: Active, status: 'True'}, {type: ScaleTargetInitialized, status: 'True'}]";
const ASLEEP: &str = "[{type: Active, status: 'False', reason: NoTraffic}, {type: ScaleTargetInitialized, status: 'True'}]";

fn pod(conditions: &str, container: &str) -> Vec<Arc<Pod>> {
    let one = format!(
        "{{metadata: {{name: a}}, status: {{conditions: {conditions}, containerStatuses: [{{name: user-container, image: x, imageID: x, ready: false, restartCount: 0, {container}}}]}}}}"
    );
    vec![Arc::new(object(&one))]
}

fn plan(revision: &Revision, seen: &Observed) -> rouse_kit::Plan<rouse_api::RevisionStatus> {
    desired(revision, seen, now()).plan
}

fn settings() -> Settings {
    Settings { config: Arc::new(ApiConfig::default()), drain: Duration::from_secs(5) }
}

fn check(revision: &Revision, seen: &Observed, expected: &Expect) {
    expected.assert_eq(&text(&plan(revision, seen), |status| &status.conditions));
}

/// With children that need no change.
fn seen(replicas: i32, deployment_status: &str, scale: &str, pods: Vec<Arc<Pod>>) -> Observed {
    Observed {
        images: pinned(),
        deployment: Some(deployment(replicas, deployment_status)),
        autoscaler: Some(autoscaler(scale)),
        pods,
        gone_routes: vec![],
        settings: settings(),
    }
}

fn new(images: Pinned) -> Observed {
    Observed {
        images,
        deployment: None,
        autoscaler: None,
        pods: vec![],
        gone_routes: vec![],
        settings: settings(),
    }
}

#[test]
fn nothing_is_made_before_the_image_is_pinned() {
    for images in [Pinned::Unknown, Pinned::Looking] {
        check(
            &revision("", "{}"),
            &new(images),
            &expect![[r#"
                ContainerHealthy=Unknown ResolvingDigests
                Ready=Unknown ResolvingDigests
                ResourcesAvailable=Unknown ResolvingDigests
            "#]],
        );
    }
}

#[test]
fn images_are_asked_for_once_and_never_again_once_they_are_pinned() {
    let fresh = revision("", "{}");
    let lookup = |revision: &Revision, images| desired(revision, &new(images), now()).lookup;
    let asked = lookup(&fresh, Pinned::Unknown);
    assert_eq!(
        asked,
        Some(ImageLookup::of(
            &fresh,
            &settings().config.deployment.registries_skipping_tag_resolving
        ))
    );
    for images in [Pinned::Looking, Pinned::Failed("no".to_owned()), pinned()] {
        assert_eq!(lookup(&fresh, images), None);
    }
    let pinned = revision("", "{containerStatuses: [{name: user-container, imageDigest: d}]}");
    assert_eq!(lookup(&pinned, Pinned::Unknown), None);
    let plan = plan(&pinned, &new(Pinned::Unknown));
    assert_eq!(plan.status.unwrap().container_statuses[0].image_digest, "d");
}

#[test]
fn an_image_that_is_not_there_is_a_missing_container() {
    check(
        &revision("", "{}"),
        &new(Pinned::Failed("Unable to fetch image \"digits:2\": no such image".to_owned())),
        &expect![[r#"
            ContainerHealthy=False ContainerMissing Unable to fetch image "digits:2": no such image
            Ready=False ContainerMissing Unable to fetch image "digits:2": no such image
            ResourcesAvailable=Unknown
        "#]],
    );
}

#[test]
fn a_pinned_revision_makes_its_deployment_and_its_autoscaler() {
    check(
        &revision("", "{}"),
        &new(pinned()),
        &expect![[r#"
        create Deployment shop/hello-00002-deployment
        create PodAutoscaler shop/hello-00002
        notice Normal Created: Created Deployment "hello-00002-deployment"
        Active=Unknown Deploying
        ContainerHealthy=Unknown Deploying
        Ready=Unknown Deploying
        ResourcesAvailable=Unknown Deploying
    "#]],
    );
}

fn body(revision: &Revision, kind: &str) -> Value {
    let plan = plan(revision, &new(pinned()));
    let write = plan.writes.iter().find(|write| write.resource.kind == kind).unwrap();
    let Action::Create(body) = &write.action else { panic!("{write}") };
    body.clone()
}

#[test]
fn the_pod_is_the_users_and_what_the_runtime_contract_adds() {
    let deployment = body(&revision("autoscaling.knative.dev/min-scale: '2'", "{}"), "Deployment");
    expect![[r#"
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          annotations:
            color: red
          labels:
            app: hello-00002
            serving.knative.dev/configuration: greet
            serving.knative.dev/revision: hello-00002
            serving.knative.dev/revisionUID: rev-2
            serving.knative.dev/service: hello
          name: hello-00002-deployment
          namespace: shop
          ownerReferences:
          - apiVersion: serving.knative.dev/v1
            blockOwnerDeletion: true
            controller: true
            kind: Revision
            name: hello-00002
            uid: rev-2
        spec:
          progressDeadlineSeconds: 600
          replicas: 2
          revisionHistoryLimit: 0
          selector:
            matchLabels:
              serving.knative.dev/revisionUID: rev-2
          strategy:
            rollingUpdate:
              maxUnavailable: 0
            type: RollingUpdate
          template:
            metadata:
              annotations:
                color: red
                kubectl.kubernetes.io/default-container: user-container
              labels:
                app: hello-00002
                serving.knative.dev/configuration: greet
                serving.knative.dev/revision: hello-00002
                serving.knative.dev/revisionUID: rev-2
                serving.knative.dev/service: hello
            spec:
              affinity:
                podAntiAffinity:
                  preferredDuringSchedulingIgnoredDuringExecution:
                  - podAffinityTerm:
                      labelSelector:
                        matchLabels:
                          serving.knative.dev/revision: hello-00002
                      topologyKey: kubernetes.io/hostname
                    weight: 100
              containers:
              - env:
                - name: MODEL
                  value: small
                - name: K_CONFIGURATION
                  value: greet
                - name: K_REVISION
                  value: hello-00002
                - name: K_SERVICE
                  value: hello
                - name: PORT
                  value: "9000"
                image: digits@sha256:abc
                lifecycle:
                  preStop:
                    sleep:
                      seconds: 5
                livenessProbe:
                  httpGet:
                    path: /live
                    port: 9000
                  periodSeconds: 7
                name: user-container
                ports:
                - containerPort: 9000
                  name: user-port
                  protocol: TCP
                readinessProbe:
                  periodSeconds: 1
                  successThreshold: 1
                  tcpSocket:
                    port: 9000
                terminationMessagePolicy: FallbackToLogsOnError
              enableServiceLinks: false
              terminationGracePeriodSeconds: 65
    "#]]
    .assert_eq(&serde_yaml(&deployment));
}

#[test]
fn the_autoscaler_keeps_the_autoscaling_annotations() {
    let autoscaler =
        body(&revision("autoscaling.knative.dev/min-scale: '2'", "{}"), "PodAutoscaler");
    let shown = serde_json::json!([autoscaler["metadata"]["annotations"], autoscaler["spec"]]);
    expect![[r#"
        - autoscaling.knative.dev/class: kpa.autoscaling.knative.dev
          autoscaling.knative.dev/min-scale: "2"
          color: red
        - containerConcurrency: 3
          protocolType: h2c
          reachability: Reachable
          scaleTargetRef:
            apiVersion: apps/v1
            kind: Deployment
            name: hello-00002-deployment
    "#]]
    .assert_eq(&serde_yaml(&shown));
}

fn serde_yaml(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap()
}

#[test]
fn replicas_begin_at_the_greater_of_initial_and_least_scale() {
    for (annotation, want) in [
        ("x: y", 1),
        ("autoscaling.knative.dev/initial-scale: '4'", 4),
        ("autoscaling.knative.dev/min-scale: '3'", 3),
    ] {
        let deployment = body(&revision(annotation, "{}"), "Deployment");
        assert_eq!(deployment["spec"]["replicas"], want, "{annotation}");
    }
}

#[test]
fn a_revision_is_ready_once_its_initial_scale_was() {
    let ready = || pod("[{type: Ready, status: 'True'}]", "state: {running: {}}");
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, ready()),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=Unknown Deploying
        Ready=Unknown Deploying
        ResourcesAvailable=Unknown Deploying
    "#]],
    );
    check(
        &revision("", "{}"),
        &seen(1, "{}", SERVING, ready()),
        &expect![[r#"
        notice Normal RevisionReady: Revision becomes ready upon all resources being ready
        Active=True
        ContainerHealthy=True
        Ready=True
        ResourcesAvailable=True
    "#]],
    );
}

const WAS_READY: &str = "{observedGeneration: 1, conditions: [{type: Ready, status: 'True'}, {type: ContainerHealthy, status: 'True'}, {type: ResourcesAvailable, status: 'True'}]}";

#[test]
fn a_revision_that_sleeps_stays_ready() {
    check(
        &revision("", WAS_READY),
        &seen(0, "{}", ASLEEP, vec![]),
        &expect![[r#"
        Active=False NoTraffic
        ContainerHealthy=True
        Ready=True
        ResourcesAvailable=True
    "#]],
    );
}

#[test]
fn what_keeps_its_pods_from_running_is_told_at_once() {
    let crashed = pod(
        "[]",
        "state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 5, message: no model file}}",
    );
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, crashed),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=False ExitCode5 Container failed with: no model file
        Ready=False ExitCode5 Container failed with: no model file
        ResourcesAvailable=Unknown
    "#]],
    );
    let killed = pod("[]", "state: {terminated: {exitCode: 137, reason: OOMKilled}}");
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, killed),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=False ExitCode137 Container failed with: OOMKilled
        Ready=False ExitCode137 Container failed with: OOMKilled
        ResourcesAvailable=Unknown
    "#]],
    );
    let backed_off =
        pod("[]", "state: {waiting: {reason: ImagePullBackOff, message: no such image}}");
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, backed_off),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=Unknown
        Ready=False ImagePullBackOff no such image
        ResourcesAvailable=False ImagePullBackOff no such image
    "#]],
    );
    let unschedulable = pod(
        "[{type: PodScheduled, status: 'False', reason: Unschedulable, message: Insufficient cpu}]",
        "state: {waiting: {}}",
    );
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, unschedulable),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=Unknown
        Ready=False Unschedulable Insufficient cpu
        ResourcesAvailable=False Unschedulable Insufficient cpu
    "#]],
    );
    let elsewhere = pod(
        "[{type: Ready, status: 'False', reason: PortIgnored, message: listens on 9}]",
        "state: {running: {}}",
    );
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, elsewhere),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=False PortIgnored listens on 9
        Ready=False PortIgnored listens on 9
        ResourcesAvailable=Unknown
    "#]],
    );
}

#[test]
fn a_first_failed_pull_is_no_reason_yet() {
    let pulling = pod("[]", "state: {waiting: {reason: ErrImagePull, message: busy}}");
    check(
        &revision("", "{}"),
        &seen(1, "{}", WAITING, pulling),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=Unknown Deploying
        Ready=Unknown Deploying
        ResourcesAvailable=Unknown Deploying
    "#]],
    );
}

const CRASHED: &str = "{observedGeneration: 1, conditions: [{type: Ready, status: 'False', reason: ExitCode5, message: m}, {type: ContainerHealthy, status: 'False', reason: ExitCode5, message: m}, {type: ResourcesAvailable, status: Unknown, reason: Deploying}]}";

#[test]
fn a_failure_is_still_told_when_the_pods_are_gone() {
    check(
        &revision("", CRASHED),
        &seen(0, "{}", WAITING, vec![]),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=False ExitCode5 m
        Ready=False ExitCode5 m
        ResourcesAvailable=Unknown Deploying
    "#]],
    );
}

#[test]
fn a_pod_that_runs_without_trouble_ends_a_failure() {
    let runs = pod("[]", "state: {running: {}}");
    check(
        &revision("", CRASHED),
        &seen(1, "{}", WAITING, runs),
        &expect![[r#"
        update PodAutoscaler shop/hello-00002
        Active=Unknown Queued
        ContainerHealthy=Unknown Deploying
        Ready=Unknown Deploying
        ResourcesAvailable=Unknown Deploying
    "#]],
    );
}

#[test]
fn pods_that_start_again_with_the_platform_are_no_failure() {
    let again = pod(
        "[]",
        "state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: ContainerStatusUnknown}}",
    );
    check(
        &revision("", WAS_READY),
        &seen(1, "{}", WAKING, again),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=True
        Ready=True
        ResourcesAvailable=True
    "#]],
    );
}

#[test]
fn pods_that_are_on_their_way_out_say_nothing() {
    let mut pods = pod("[]", "state: {terminated: {exitCode: 143}}");
    Arc::make_mut(&mut pods[0]).metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    check(
        &revision("", WAS_READY),
        &seen(0, "{}", ASLEEP, pods),
        &expect![[r#"
        Active=False NoTraffic
        ContainerHealthy=True
        Ready=True
        ResourcesAvailable=True
    "#]],
    );
}

#[test]
fn a_deployment_that_gave_up_fails_the_revision() {
    let stuck = "{conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: timed out}]}";
    check(
        &revision("", "{}"),
        &seen(1, stuck, WAITING, vec![]),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=Unknown
        Ready=False ProgressDeadlineExceeded timed out
        ResourcesAvailable=False ProgressDeadlineExceeded timed out
    "#]],
    );
    let quota = "{conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: exceeded quota}]}";
    check(
        &revision("", "{}"),
        &seen(1, quota, WAITING, vec![]),
        &expect![[r#"
        Active=Unknown Queued
        ContainerHealthy=Unknown
        Ready=False FailedCreate exceeded quota
        ResourcesAvailable=False FailedCreate exceeded quota
    "#]],
    );
}

#[test]
fn an_existing_deployment_is_never_written() {
    let mut seen = seen(7, "{}", SERVING, vec![]);
    Arc::make_mut(seen.deployment.as_mut().unwrap()).metadata.labels = None;
    assert!(plan(&revision("", WAS_READY), &seen).writes.is_empty());
}

#[test]
fn an_edited_annotation_reaches_the_autoscaler() {
    let seen = seen(1, "{}", SERVING, vec![]);
    let edited = revision("autoscaling.knative.dev/max-scale: '9'", WAS_READY);
    assert_eq!(plan(&edited, &seen).to_string(), "update PodAutoscaler shop/hello-00002\n");
}

#[test]
fn a_strangers_deployment_is_left_alone() {
    let mut seen = seen(1, "{}", SERVING, vec![]);
    Arc::make_mut(seen.deployment.as_mut().unwrap()).metadata.owner_references = None;
    check(
        &revision("", "{}"),
        &seen,
        &expect![[r#"
        ContainerHealthy=Unknown
        Ready=False NotOwned There is an existing Deployment "hello-00002-deployment" that we do not own.
        ResourcesAvailable=False NotOwned There is an existing Deployment "hello-00002-deployment" that we do not own.
    "#]],
    );
}

#[test]
fn a_revision_whose_last_route_was_deleted_goes_into_reserve() {
    let mut revision = revision("", "{}");
    let mut seen = new(pinned());
    seen.gone_routes = vec!["hello".to_owned()];
    let released = |revision: &Revision| {
        let plan = plan(revision, &seen);
        assert_eq!(plan.to_string(), "patch Revision shop/hello-00002\n");
        assert_eq!(plan.status, None, "the changed Revision is looked at again");
        let Action::Patch(patch) = plan.writes[0].action.clone() else { panic!("{plan}") };
        let annotations = &patch["metadata"]["annotations"];
        let state = patch["metadata"]["labels"]["serving.knative.dev/routingState"].clone();
        let modified = annotations["serving.knative.dev/routingStateModified"].is_string();
        (state, annotations["serving.knative.dev/routes"].clone(), modified)
    };
    assert_eq!(released(&revision), ("reserve".into(), Value::Null, true));
    let routes = revision.metadata.annotations.as_mut().unwrap();
    routes.insert("serving.knative.dev/routes".to_owned(), "blue,hello".to_owned());
    assert_eq!(released(&revision), ("active".into(), "blue".into(), false));
}

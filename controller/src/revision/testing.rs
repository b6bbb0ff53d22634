//! Revisions for tests, with their observed children.

use std::sync::Arc;
use std::time::Duration;

use expect_test::Expect;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use rouse_api::config::ApiConfig;
use rouse_api::config::cloud_run::ServiceScale;
use rouse_api::revision::ContainerImage;
use rouse_api::{PodAutoscaler, Revision, RevisionStatus};
use rouse_kit::Plan;

use super::desired::desired;
use super::observed::{Observed, Settings};
use crate::lookups::images::{Digests, Pinned};
use crate::testing::{now, object, text};

pub(super) fn revision(annotations: &str, status: &str) -> Revision {
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

pub(super) fn pinned() -> Pinned {
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

pub(super) fn autoscaler(conditions: &str) -> Arc<PodAutoscaler> {
    let (revision, settings) = (revision("", "{}"), settings());
    let annotations = settings.annotations(&revision);
    let mut built = super::autoscaler::build(&revision, None, &settings, &annotations);
    built.status =
        Some(object(&format!("{{desiredScale: 1, actualScale: 1, conditions: {conditions}}}")));
    Arc::new(built)
}

/// The status of one that was ready.
pub(super) const WAS_READY: &str = "{observedGeneration: 1, conditions: [{type: Ready, status: 'True'}, {type: ContainerHealthy, status: 'True'}, {type: ResourcesAvailable, status: 'True'}]}";

/// It has served before.
pub(super) const WAKING: &str = "[{type: Active, status: Unknown, reason: Queued}, {type: ScaleTargetInitialized, status: 'True'}]";
pub(super) const WAITING: &str = "[{type: Active, status: Unknown, reason: Queued}, {type: ScaleTargetInitialized, status: Unknown}]";
pub(super) const SERVING: &str =
    "[{type: Active, status: 'True'}, {type: ScaleTargetInitialized, status: 'True'}]";
pub(super) const ASLEEP: &str = "[{type: Active, status: 'False', reason: NoTraffic}, {type: ScaleTargetInitialized, status: 'True'}]";

pub(super) fn pod(conditions: &str, container: &str) -> Vec<Arc<Pod>> {
    let one = format!(
        "{{metadata: {{name: a}}, status: {{conditions: {conditions}, containerStatuses: [{{name: user-container, image: x, imageID: x, ready: false, restartCount: 0, {container}}}]}}}}"
    );
    vec![Arc::new(object(&one))]
}

pub(super) fn plan(revision: &Revision, seen: &Observed) -> Plan<RevisionStatus> {
    desired(revision, seen, now()).plan
}

pub(super) fn settings() -> Settings {
    Settings {
        service_scale: ServiceScale::default(),
        config: Arc::new(ApiConfig::default()),
        drain: Duration::from_secs(5),
    }
}

pub(super) fn check(revision: &Revision, seen: &Observed, expected: &Expect) {
    expected.assert_eq(&text(&plan(revision, seen), |status| &status.conditions));
}

/// With children that need no change.
pub(super) fn seen(
    replicas: i32,
    deployment_status: &str,
    scale: &str,
    pods: Vec<Arc<Pod>>,
) -> Observed {
    Observed {
        images: pinned(),
        deployment: Some(deployment(replicas, deployment_status)),
        autoscaler: Some(autoscaler(scale)),
        pods,
        gone_routes: vec![],
        settings: settings(),
    }
}

pub(super) fn new(images: Pinned) -> Observed {
    Observed {
        images,
        deployment: None,
        autoscaler: None,
        pods: vec![],
        gone_routes: vec![],
        settings: settings(),
    }
}

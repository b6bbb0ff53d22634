//! Children and status of a Revision.

use std::sync::Arc;

use expect_test::expect;
use rouse_api::Revision;
use rouse_kit::plan::Action;
use serde_json::{Value, json};

use super::desired::desired;
use super::observed::Observed;
use super::testing::{SERVING, WAS_READY, check, new, pinned, plan, pod, revision, seen, settings};
use crate::lookups::images::{Digests, ImageLookup, Pinned};
use crate::testing::{now, object, told};

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
fn images_are_looked_up_once_and_never_again_once_they_are_pinned() {
    let fresh = revision("", "{}");
    let lookup = |revision: &Revision, images| desired(revision, &new(images), now()).lookup;
    let asked = lookup(&fresh, Pinned::Unknown);
    assert_eq!(asked, Some(ImageLookup::of(&fresh, &settings().config.deployment)));
    for images in [Pinned::Looking, Pinned::Failed("no".to_owned()), pinned()] {
        assert_eq!(lookup(&fresh, images), None);
    }
    let pinned = revision("", "{containerStatuses: [{name: user-container, imageDigest: d}]}");
    assert_eq!(lookup(&pinned, Pinned::Unknown), None);
    let plan = plan(&pinned, &new(Pinned::Unknown));
    assert_eq!(plan.status.unwrap().container_statuses[0].image_digest, "d");
}

#[test]
fn an_image_that_does_not_exist_is_a_missing_container() {
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

fn image_of(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]["image"]
}

const UNPINNED: &str = "{observedGeneration: 1, conditions: [{type: ImagesPinned, status: 'False', severity: Info, reason: RegistryUnavailable, message: old}, {type: Ready, status: 'True'}, {type: ContainerHealthy, status: 'True'}, {type: ResourcesAvailable, status: 'True'}]}";

#[test]
fn a_registry_that_cannot_be_reached_leaves_the_tag_and_a_condition() {
    let far = || Pinned::Unreached(Digests::default(), "no route to ghcr.io".to_owned());
    let fresh = revision("", "{}");
    check(
        &fresh,
        &new(far()),
        &expect![[r#"
            create Deployment shop/hello-00002-deployment
            create PodAutoscaler shop/hello-00002
            notice Normal Created: Created Deployment "hello-00002-deployment"
            Active=Unknown Deploying
            ContainerHealthy=Unknown Deploying
            ImagesPinned=False RegistryUnavailable no route to ghcr.io. Until it answers, pods run the image that the tag leads to on their node.
            Ready=Unknown Deploying
            ResourcesAvailable=Unknown Deploying
        "#]],
    );
    let by_tag = created(&fresh, &new(far()), "Deployment");
    assert_eq!(image_of(&by_tag), "digits:2");
    // It is asked for until it is pinned.
    let status = plan(&fresh, &new(far())).status.unwrap();
    assert_eq!(status.container_statuses, []);

    // A pod that runs makes it Ready, whatever the registry says later; a restarted controller
    // looks again, and changes nothing meanwhile.
    let ready = || pod("[{type: Ready, status: 'True'}]", "state: {running: {}}");
    let unpinned = revision("", UNPINNED);
    for (images, lookup, told_) in [
        (Pinned::Unknown, true, "RegistryUnavailable old"),
        (Pinned::Looking, false, "RegistryUnavailable old"),
        (far(), false, "RegistryUnavailable no route to ghcr.io. Until it answers, pods run "),
        // It did answer.
        (
            Pinned::Failed("no such tag".to_owned()),
            false,
            "ContainerMissing no such tag. Until it can be had, pods run ",
        ),
    ] {
        let mut seen = seen(1, "{}", SERVING, ready());
        seen.deployment = Some(Arc::new(serde_json::from_value(by_tag.clone()).unwrap()));
        seen.images = images;
        let planned = desired(&unpinned, &seen, now());
        assert_eq!((planned.plan.writes.len(), planned.lookup.is_some()), (0, lookup));
        let conditions = planned.plan.status.unwrap().conditions;
        assert_eq!(told(&conditions, "Ready"), "True");
        let info = told(&conditions, "ImagesPinned");
        assert!(info.starts_with(&format!("False {told_}")), "{info}");
    }
}

#[test]
fn a_registry_that_answers_again_pins_the_revision() {
    let unpinned = revision("", UNPINNED);
    let far = Pinned::Unreached(Digests::default(), "far".to_owned());
    let by_tag = created(&revision("", "{}"), &new(far), "Deployment");
    let mut seen = seen(1, "{}", SERVING, vec![]);
    seen.deployment = Some(Arc::new(serde_json::from_value(by_tag).unwrap()));
    let plan = plan(&unpinned, &seen);
    let Action::Replace(deployment) = &plan.writes[0].action else { panic!("{plan}") };
    assert_eq!(image_of(deployment), "digits@sha256:abc");
    let status = plan.status.unwrap();
    assert_eq!(status.container_statuses[0].image_digest, "digits@sha256:abc");
    assert_eq!(rouse_api::condition::find(&status.conditions, "ImagesPinned"), None);
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
    created(revision, &new(pinned()), kind)
}

fn created(revision: &Revision, seen: &Observed, kind: &str) -> Value {
    let plan = plan(revision, seen);
    let write = plan.writes.iter().find(|write| write.resource.kind == kind).unwrap();
    let Action::Create(body) = &write.action else { panic!("{write}") };
    body.clone()
}

#[test]
fn the_pod_is_the_users_with_the_additions_of_the_runtime_contract() {
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
fn replicas_begin_at_the_greater_of_initial_and_minimum_scale() {
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
fn a_pod_is_spread_and_run_as_the_user_or_else_the_operator_says() {
    let spread = serde_json::json!("kubernetes.io/hostname");
    let own = "{nodeAffinity: {}}";
    let template = |operator: &str, users: &str| {
        let mut revision = revision("", "{}");
        if !users.is_empty() {
            revision.spec.pod.affinity = Some(object(users));
            revision.spec.pod.runtime_class_name = Some("mine".to_owned());
        }
        let mut seen = new(pinned());
        let mut config = rouse_api::config::ApiConfig::default();
        let data = [
            ("default-affinity-type".to_owned(), operator.to_owned()),
            ("runtime-class-name".to_owned(), "gvisor: {}".to_owned()),
        ];
        config.apply("config-deployment", &data.into()).unwrap();
        seen.settings.config = Arc::new(config);
        created(&revision, &seen, "Deployment")["spec"]["template"]["spec"].clone()
    };
    let topology = |pod: &Value| {
        pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]
            ["podAffinityTerm"]["topologyKey"]
            .clone()
    };
    let preferred = template("prefer-spread-revision-over-nodes", "");
    assert_eq!((topology(&preferred), &preferred["runtimeClassName"]), (spread, &"gvisor".into()));
    let users = template("prefer-spread-revision-over-nodes", own);
    assert_eq!((topology(&users), &users["runtimeClassName"]), (Value::Null, &"mine".into()));
    let none = template("none", "");
    assert_eq!(none["affinity"], Value::Null);
}

#[test]
fn the_status_says_where_the_operator_keeps_its_logs() {
    let mut seen = new(pinned());
    let mut config = rouse_api::config::ApiConfig::default();
    let data = ("logging.revision-url-template", "http://logs/${REVISION_UID}");
    config.apply("config-observability", &[(data.0.to_owned(), data.1.to_owned())].into()).unwrap();
    seen.settings.config = Arc::new(config);
    let status = plan(&revision("", "{}"), &seen).status.unwrap();
    assert_eq!(status.log_url.as_deref(), Some("http://logs/rev-2"));
}

#[test]
fn a_revision_is_pinned_when_all_its_containers_are() {
    let mut two = revision("", "{containerStatuses: [{name: user-container, imageDigest: d}]}");
    two.spec.pod.containers.push(object("{name: sidecar, image: proxy}"));
    assert!(desired(&two, &new(Pinned::Unknown), now()).lookup.is_some());
}

#[test]
fn an_existing_deployment_is_never_written() {
    let mut seen = seen(7, "{}", SERVING, vec![]);
    Arc::make_mut(seen.deployment.as_mut().unwrap()).metadata.labels = None;
    assert!(plan(&revision("", WAS_READY), &seen).writes.is_empty());
}

#[test]
fn containers_that_another_client_changed_are_restored_and_nothing_else() {
    let revision = revision("", WAS_READY);
    let built = body(&revision, "Deployment");
    let planned = |change: &dyn Fn(&mut Value)| {
        let mut found = built.clone();
        // Defaults of the API server, and the autoscaler's replicas.
        found["spec"]["replicas"] = json!(7);
        found["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        let container = &mut found["spec"]["template"]["spec"]["containers"][0];
        container["imagePullPolicy"] = json!("IfNotPresent");
        container["resources"] = json!({});
        container["ports"][0]["hostPort"] = json!(0);
        change(&mut found);
        let mut seen = seen(7, "{}", SERVING, vec![]);
        seen.deployment = Some(Arc::new(serde_json::from_value(found).unwrap()));
        plan(&revision, &seen)
    };
    assert_eq!(planned(&|_| {}).to_string(), "");
    let container = "/spec/template/spec/containers/0";
    for (at, value) in [
        ("image", json!("other:1")),
        ("env", json!([{ "name": "A", "value": "b" }])),
        ("command", json!(["sh"])),
        ("envFrom", json!([{ "configMapRef": { "name": "x" } }])),
    ] {
        let plan = planned(&|found| found.pointer_mut(container).unwrap()[at] = value.clone());
        assert_eq!(plan.to_string(), "update Deployment shop/hello-00002-deployment\n", "{at}");
        let Action::Replace(written) = &plan.writes[0].action else { panic!("{plan}") };
        assert_eq!(written.pointer(container), built.pointer(container), "{at}");
        assert_eq!(written["spec"]["replicas"], 7, "{at}");
    }
}

#[test]
fn an_edited_annotation_reaches_the_autoscaler() {
    let seen = seen(1, "{}", SERVING, vec![]);
    let edited = revision("autoscaling.knative.dev/max-scale: '9'", WAS_READY);
    assert_eq!(plan(&edited, &seen).to_string(), "update PodAutoscaler shop/hello-00002\n");
}

#[test]
fn a_revision_whose_pods_all_fail_is_not_kept_at_its_minimum_scale() {
    let crashed = "{observedGeneration: 1, conditions: [{type: ContainerHealthy, status: 'False', reason: ExitCode5}]}";
    for (before, replicas, ready, expected) in [
        (crashed, 1, 0, "Unreachable"),
        (crashed, 2, 0, "Unreachable"),
        (crashed, 2, 1, "Reachable"),
        // Without pods, none fails.
        (crashed, 0, 0, "Reachable"),
        (WAS_READY, 1, 0, "Reachable"),
    ] {
        let status = format!("{{readyReplicas: {ready}}}");
        let mut seen = seen(replicas, &status, SERVING, vec![]);
        seen.autoscaler = None;
        let autoscaler = created(&revision("", before), &seen, "PodAutoscaler");
        assert_eq!(autoscaler["spec"]["reachability"], expected, "{replicas} {ready} {before}");
    }
}

#[test]
fn a_child_of_another_owner_is_left_alone() {
    let stranger = |kind| {
        let mut seen = seen(1, "{}", SERVING, vec![]);
        let metadata = match kind {
            "Deployment" => &mut Arc::make_mut(seen.deployment.as_mut().unwrap()).metadata,
            _ => &mut Arc::make_mut(seen.autoscaler.as_mut().unwrap()).metadata,
        };
        metadata.owner_references = None;
        seen
    };
    for (kind, name) in [("Deployment", "hello-00002-deployment"), ("PodAutoscaler", "hello-00002")]
    {
        let plan = plan(&revision("", "{}"), &stranger(kind));
        assert_eq!(plan.to_string(), "");
        assert_eq!(
            told(&plan.status.unwrap().conditions, "Ready"),
            format!("False NotOwned There is an existing {kind} {name:?} that we do not own.")
        );
    }
}

#[test]
fn a_pod_that_need_not_drain_stops_at_once() {
    let mut seen = new(pinned());
    seen.settings.drain = std::time::Duration::ZERO;
    let pod = created(&revision("", "{}"), &seen, "Deployment")["spec"]["template"]["spec"].clone();
    assert_eq!(pod["containers"][0]["lifecycle"], Value::Null);
    assert_eq!(pod["terminationGracePeriodSeconds"], 60);
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

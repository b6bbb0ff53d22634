//! The reconcilers against the embedded API, with its built-in controllers. The test itself plays
//! node agent, autoscaler and activators, so that each of their answers can be held back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod equivalent;
mod failures;
mod harness;
mod serving;

use std::sync::atomic::Ordering;

use kube::ResourceExt;
use rouse_api::{
    ClusterDomainClaim, Configuration, DomainMapping, PodAutoscaler, Revision, Route, Service,
};
use serde_json::json;

use crate::harness::{Platform, condition, service};

#[tokio::test]
async fn a_service_becomes_ready_with_exactly_its_objects() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    let ready = platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    assert_eq!(ready["status"]["url"], "http://hello.shop.localhost:7080");
    assert_eq!(ready["status"]["observedGeneration"], 1);
    assert_eq!(ready["status"]["latestReadyRevisionName"], "hello-00001");
    assert_eq!(
        ready["status"]["traffic"],
        json!([{"latestRevision": true, "percent": 100, "revisionName": "hello-00001"}])
    );
    assert_eq!(platform.names::<Configuration>().await, ["hello"]);
    assert_eq!(platform.names::<Route>().await, ["hello"]);
    assert_eq!(platform.names::<Revision>().await, ["hello-00001"]);
    assert_eq!(platform.names::<PodAutoscaler>().await, ["hello-00001"]);
    assert_eq!(
        platform.names::<k8s_openapi::api::apps::v1::Deployment>().await,
        ["hello-00001-deployment"]
    );
    assert_eq!(platform.names::<k8s_openapi::api::core::v1::Service>().await, ["hello"]);
}

#[tokio::test]
async fn a_route_waits_for_the_activators() {
    let platform = Platform::start().await;
    platform.activators.open.store(false, Ordering::SeqCst);
    platform.create::<Service>(&service("hello", "digits:1")).await;
    let waiting = platform
        .wait::<Route>("hello", |r| {
            !r["status"]["routing"].is_null() && condition(r, "AllTrafficAssigned") == "True"
        })
        .await;
    assert_eq!(condition(&waiting, "IngressReady"), "Unknown");
    platform.activators.open();
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
}

#[tokio::test]
async fn a_new_revision_takes_over_and_the_old_one_goes_into_reserve() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    platform.patch::<Service>("hello", &image("digits:2")).await;
    platform
        .wait::<Service>("hello", |s| {
            condition(s, "Ready") == "True"
                && s["status"]["latestReadyRevisionName"] == "hello-00002"
        })
        .await;
    let old = platform.wait::<Revision>("hello-00001", in_state("reserve")).await;
    assert!(old["metadata"]["annotations"]["serving.knative.dev/routes"].is_null());
    platform.wait::<Revision>("hello-00002", in_state("active")).await;
}

#[tokio::test]
async fn tags_have_their_own_host_and_pinned_traffic_stays() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    let split = json!({"spec": {
        "template": {"spec": {"containers": [{"image": "digits:2"}]}},
        "traffic": [
            {"revisionName": "hello-00001", "percent": 90, "tag": "stable"},
            {"latestRevision": true, "percent": 10, "tag": "next"},
        ],
    }});
    platform.patch::<Service>("hello", &split).await;
    let ready = platform
        .wait::<Service>("hello", |s| {
            condition(s, "Ready") == "True" && s["status"]["observedGeneration"] == 2
        })
        .await;
    assert_eq!(
        ready["status"]["traffic"],
        json!([
            {"latestRevision": false, "percent": 90, "revisionName": "hello-00001",
             "tag": "stable", "url": "http://stable-hello.shop.localhost:7080"},
            {"latestRevision": true, "percent": 10, "revisionName": "hello-00002",
             "tag": "next", "url": "http://next-hello.shop.localhost:7080"},
        ])
    );
    let mut core = platform.names::<k8s_openapi::api::core::v1::Service>().await;
    core.sort();
    assert_eq!(core, ["hello", "next-hello", "stable-hello"]);
    // Without the tags their core Services go.
    let back = json!({"spec": {"traffic": [{"revisionName": "hello-00001", "percent": 100}]}});
    platform.patch::<Service>("hello", &back).await;
    platform.wait_gone::<k8s_openapi::api::core::v1::Service>("stable-hello").await;
    platform.wait::<Revision>("hello-00002", in_state("reserve")).await;
}

#[tokio::test]
async fn an_image_that_does_not_exist_fails_the_service_with_the_reason() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "missing:1")).await;
    let failed = platform
        .wait::<Service>("hello", |s| {
            condition(s, "ConfigurationsReady") == "False" && condition(s, "RoutesReady") == "False"
        })
        .await;
    let message = harness::message(&failed, "ConfigurationsReady");
    assert!(message.contains("Unable to fetch image \"missing:1\""), "{message}");
    assert_eq!(condition(&failed, "Ready"), "False");
}

#[tokio::test]
async fn a_container_that_exits_fails_the_new_revision_while_the_old_one_serves() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    platform.patch::<Service>("hello", &image("crashing:1")).await;
    let failed =
        platform.wait::<Service>("hello", |s| condition(s, "ConfigurationsReady") == "False").await;
    let message = harness::message(&failed, "ConfigurationsReady");
    assert!(message.contains("Container failed with: no model file"), "{message}");
    assert_eq!(failed["status"]["traffic"][0]["revisionName"], "hello-00001");
    let revision =
        platform.wait::<Revision>("hello-00002", |r| condition(r, "Ready") == "False").await;
    assert_eq!(harness::reason(&revision, "ContainerHealthy"), "ExitCode5");
}

#[tokio::test]
async fn replicas_and_the_template_are_not_sent_again() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    type Deployment = k8s_openapi::api::apps::v1::Deployment;
    let scaled = json!({"spec": {"replicas": 3}});
    platform.patch::<Deployment>("hello-00001-deployment", &scaled).await;
    // Something that makes the Revision's reconciler run and write.
    let edited = json!({"metadata": {"annotations": {"autoscaling.knative.dev/min-scale": "2"}}});
    platform.patch::<Revision>("hello-00001", &edited).await;
    platform
        .wait::<PodAutoscaler>("hello-00001", |pa| {
            pa["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "2"
        })
        .await;
    let deployment = platform.get::<Deployment>("hello-00001-deployment").await;
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["metadata"]["generation"], 2);
    // As by `kubectl set image`, which is put back.
    let containers = deployment["spec"]["template"]["spec"]["containers"].clone();
    let mut others = containers.clone();
    others[0]["image"] = json!("other:1");
    let set = json!({"spec": {"template": {"spec": {"containers": others}}}});
    platform.patch::<Deployment>("hello-00001-deployment", &set).await;
    let back = platform
        .wait::<Deployment>("hello-00001-deployment", |d| d["metadata"]["generation"] == 4)
        .await;
    assert_eq!(back["spec"]["template"]["spec"]["containers"], containers);
    assert_eq!(back["spec"]["replicas"], 3);
}

#[tokio::test]
async fn a_domain_belongs_to_one_namespace_and_follows_the_route() {
    let platform = Platform::start().await;
    platform
        .patch_in::<k8s_openapi::api::core::v1::ConfigMap>(
            "knative-serving",
            "config-network",
            &json!({"data": {"autocreate-cluster-domain-claims": "true"}}),
        )
        .await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.create::<DomainMapping>(&mapping("shop")).await;
    let ready = platform
        .wait::<DomainMapping>("digits.example.org", |dm| condition(dm, "Ready") == "True")
        .await;
    assert_eq!(ready["status"]["url"], "http://digits.example.org:7080");
    let host = &ready["status"]["routing"]["hosts"][0];
    assert_eq!(host["split"], json!([{"revision": "hello-00001", "percent": 100}]));
    assert_eq!(host["rewriteHost"], "hello.shop.svc.cluster.local");

    platform.create::<DomainMapping>(&mapping("default")).await;
    let refused = platform
        .wait_in::<DomainMapping>("default", "digits.example.org", |dm| {
            condition(dm, "DomainClaimed") == "False"
        })
        .await;
    assert_eq!(harness::reason(&refused, "DomainClaimed"), "DomainAlreadyClaimed");
    platform.delete::<DomainMapping>("digits.example.org").await;
    platform
        .wait_in::<DomainMapping>("default", "digits.example.org", |dm| {
            condition(dm, "DomainClaimed") == "True"
        })
        .await;
    let claims = platform.all::<ClusterDomainClaim>().await;
    assert_eq!(claims[0].spec.namespace, "default", "{}", claims[0].name_any());
}

#[tokio::test]
async fn a_domain_says_when_the_service_that_it_refers_to_is_gone() {
    let platform = Platform::start().await;
    platform
        .create::<ClusterDomainClaim>(&json!({
            "apiVersion": "networking.internal.knative.dev/v1alpha1", "kind": "ClusterDomainClaim",
            "metadata": {"name": "digits.example.org"}, "spec": {"namespace": "shop"},
        }))
        .await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.create::<DomainMapping>(&mapping("shop")).await;
    let is_ready = |dm: &serde_json::Value| condition(dm, "Ready") == "True";
    platform.wait::<DomainMapping>("digits.example.org", is_ready).await;
    platform.delete_last::<Service>("hello").await;
    let failed = platform
        .wait::<DomainMapping>("digits.example.org", |dm| {
            condition(dm, "ReferenceResolved") == "False"
        })
        .await;
    assert_eq!(harness::reason(&failed, "ReferenceResolved"), "ResolveFailed");
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<DomainMapping>("digits.example.org", is_ready).await;
}

/// A Configuration and a Route that no Service owns.
async fn create_route_and_configuration(platform: &Platform) {
    let meta = |name: &str| json!({"name": name, "namespace": "shop"});
    platform
        .create::<Configuration>(&json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Configuration",
            "metadata": meta("greet"),
            "spec": {"template": {"spec": {"containers": [{"image": "digits:1"}]}}},
        }))
        .await;
    platform
        .create::<Route>(&json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Route",
            "metadata": meta("front"),
            "spec": {"traffic": [{"configurationName": "greet", "percent": 100}]},
        }))
        .await;
    platform.wait::<Route>("front", |r| condition(r, "Ready") == "True").await;
}

#[tokio::test]
async fn a_deleted_route_leaves_nothing_on_revisions() {
    let platform = Platform::start().await;
    create_route_and_configuration(&platform).await;
    let routes = |object: &serde_json::Value| {
        object["metadata"]["annotations"]["serving.knative.dev/routes"].clone()
    };
    let active = platform.wait::<Revision>("greet-00001", in_state("active")).await;
    assert_eq!(routes(&active), "front");
    platform.delete::<Route>("front").await;
    let reserve = platform.wait::<Revision>("greet-00001", in_state("reserve")).await;
    assert!(routes(&reserve).is_null());
    platform.wait::<Configuration>("greet", |c| routes(c).is_null()).await;
    platform
        .wait::<PodAutoscaler>("greet-00001", |pa| pa["spec"]["reachability"] == "Unreachable")
        .await;
}

#[tokio::test]
async fn a_route_deleted_while_no_controller_ran_leaves_nothing_either() {
    let mut platform = Platform::start().await;
    create_route_and_configuration(&platform).await;
    platform.wait::<Revision>("greet-00001", in_state("active")).await;
    platform.stop_controller().await;
    platform.delete::<Route>("front").await;
    platform.start_controller();
    platform.wait::<Revision>("greet-00001", in_state("reserve")).await;
}

#[tokio::test]
async fn a_restarted_controller_changes_nothing() {
    let mut platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    let before = platform.settled::<Service>("hello").await;
    platform.restart_controller().await;
    // A second Service shows that the new controller is at work.
    platform.create::<Service>(&service("other", "digits:1")).await;
    platform.wait::<Service>("other", |s| condition(s, "Ready") == "True").await;
    let after = platform.get::<Service>("hello").await;
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
    assert_eq!(platform.names::<Revision>().await, ["hello-00001", "other-00001"]);
}

/// A domain for `hello`.
fn mapping(namespace: &str) -> serde_json::Value {
    json!({
        "apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping",
        "metadata": {"name": "digits.example.org", "namespace": namespace},
        "spec": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello"}},
    })
}

fn image(image: &str) -> serde_json::Value {
    json!({"spec": {"template": {"spec": {"containers": [{"image": image}]}}}})
}

fn in_state(state: &'static str) -> impl Fn(&serde_json::Value) -> bool {
    move |revision| revision["metadata"]["labels"]["serving.knative.dev/routingState"] == state
}

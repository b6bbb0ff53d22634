//! Promises to users of Knative, object by object: names, generations, annotations, reasons.

use rouse_api::{Configuration, PodAutoscaler, Revision, Route, Service};
use serde_json::{Value, json};

use crate::harness::{Platform, condition, message, reason, service};
use crate::{image, in_state};

type ConfigMap = k8s_openapi::api::core::v1::ConfigMap;

async fn ready(platform: &Platform, name: &str, generation: u8) -> Value {
    platform
        .wait::<Service>(name, |s| {
            condition(s, "Ready") == "True" && s["status"]["observedGeneration"] == generation
        })
        .await
}

#[tokio::test]
async fn a_generated_name_is_the_name_of_everything() {
    let platform = Platform::start().await;
    let mut object = service("", "digits:1");
    object["metadata"] = json!({"generateName": "hello-", "namespace": "shop"});
    platform.create::<Service>(&object).await;
    let name = platform.names::<Service>().await.remove(0);
    assert!(name.len() > "hello-".len() && name.starts_with("hello-"), "{name}");
    let ready = ready(&platform, &name, 1).await;
    assert_eq!(ready["status"]["url"], format!("http://{name}.shop.localhost:7080"));
    assert_eq!(platform.names::<Revision>().await, [format!("{name}-00001")]);
}

#[tokio::test]
async fn only_a_changed_template_makes_a_revision() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    ready(&platform, "hello", 1).await;
    let tagged = json!({"spec": {"traffic": [
        {"latestRevision": true, "percent": 100},
        {"revisionName": "hello-00001", "tag": "first"},
    ]}});
    platform.patch::<Service>("hello", &tagged).await;
    let status = ready(&platform, "hello", 2).await["status"].clone();
    assert_eq!(
        status["traffic"][1],
        json!({"latestRevision": false, "percent": 0, "revisionName": "hello-00001",
               "tag": "first", "url": "http://first-hello.shop.localhost:7080"})
    );
    let labelled = json!({"metadata": {"labels": {"team": "blue"}}});
    platform.patch::<Service>("hello", &labelled).await;
    let configuration = platform
        .wait::<Configuration>("hello", |c| c["metadata"]["labels"]["team"] == "blue")
        .await;
    assert_eq!(configuration["metadata"]["generation"], 1);
    assert_eq!(platform.names::<Revision>().await, ["hello-00001"]);
    let revision = platform.get::<Revision>("hello-00001").await;
    assert!(revision["metadata"]["labels"]["team"].is_null(), "that is the template's to say");
}

#[tokio::test]
async fn every_object_names_its_creator() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    let ready = ready(&platform, "hello", 1).await;
    let said = |object: &Value, key: &str| {
        object["metadata"]["annotations"][format!("serving.knative.dev/{key}")].clone()
    };
    let configuration = platform.get::<Configuration>("hello").await;
    let route = platform.get::<Route>("hello").await;
    for object in [&ready, &configuration, &route] {
        assert_eq!(said(object, "creator"), "system:admin", "{object:#}");
        assert_eq!(said(object, "lastModifier"), "system:admin", "{object:#}");
    }
    let revision = platform.get::<Revision>("hello-00001").await;
    assert_eq!(said(&revision, "creator"), "system:admin");
    assert_eq!(said(&revision, "routes"), "hello");
    assert!(said(&revision, "routingStateModified").is_string());
    let labels = &revision["metadata"]["labels"];
    for (key, value) in [
        ("configuration", "hello"),
        ("configurationGeneration", "1"),
        ("service", "hello"),
        ("routingState", "active"),
    ] {
        assert_eq!(labels[format!("serving.knative.dev/{key}")], value);
    }
}

#[tokio::test]
async fn a_revision_name_that_is_taken_moves_no_traffic() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    ready(&platform, "hello", 1).await;
    let taken = json!({"spec": {"template": {
        "metadata": {"name": "hello-00001"}, "spec": {"containers": [{"image": "digits:2"}]},
    }}});
    platform.patch::<Service>("hello", &taken).await;
    let failed = platform
        .wait::<Service>("hello", |s| reason(s, "RoutesReady") == "RevisionNameTaken")
        .await;
    assert_eq!(reason(&failed, "ConfigurationsReady"), "RevisionFailed");
    assert_eq!(
        message(&failed, "ConfigurationsReady"),
        "Revision creation failed with message: revisions.serving.knative.dev \"hello-00001\" already exists"
    );
    assert_eq!(failed["status"]["traffic"][0]["revisionName"], "hello-00001");
    assert_eq!(platform.names::<Revision>().await, ["hello-00001"]);
}

#[tokio::test]
async fn naming_an_older_revision_rolls_back_to_it() {
    let platform = Platform::start().await;
    let template = |name: &str, image: &str| {
        json!({"spec": {"template": {
            "metadata": {"name": name}, "spec": {"containers": [{"image": image}]},
        }}})
    };
    let mut object = service("hello", "digits:1");
    object["spec"] = template("hello-one", "digits:1")["spec"].clone();
    platform.create::<Service>(&object).await;
    ready(&platform, "hello", 1).await;
    platform.patch::<Service>("hello", &template("hello-two", "digits:2")).await;
    ready(&platform, "hello", 2).await;
    platform.patch::<Service>("hello", &template("hello-one", "digits:1")).await;
    let back = ready(&platform, "hello", 3).await;
    assert_eq!(back["status"]["latestReadyRevisionName"], "hello-one");
    assert_eq!(back["status"]["traffic"][0]["revisionName"], "hello-one");
    let mut revisions = platform.names::<Revision>().await;
    revisions.sort();
    assert_eq!(revisions, ["hello-one", "hello-two"]);
    platform.wait::<Revision>("hello-two", in_state("reserve")).await;
}

#[tokio::test]
async fn a_route_names_a_missing_target_until_it_exists() {
    let platform = Platform::start().await;
    let route = |name: &str, target: Value| {
        json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Route",
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"traffic": [target]},
        })
    };
    let by_configuration = json!({"configurationName": "greet", "percent": 100});
    platform.create::<Route>(&route("latest", by_configuration)).await;
    let by_revision = json!({"revisionName": "greet-00001", "percent": 100});
    platform.create::<Route>(&route("pinned", by_revision)).await;
    for (name, why, said) in [
        (
            "latest",
            "ConfigurationMissing",
            "Configuration \"greet\" referenced in traffic not found.",
        ),
        ("pinned", "RevisionMissing", "Revision \"greet-00001\" referenced in traffic not found."),
    ] {
        let failed = platform.wait::<Route>(name, |r| condition(r, "Ready") == "False").await;
        assert_eq!(reason(&failed, "AllTrafficAssigned"), why);
        assert_eq!(message(&failed, "AllTrafficAssigned"), said);
        assert_eq!(failed["status"]["observedGeneration"], 1);
    }
    platform
        .create::<Configuration>(&json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Configuration",
            "metadata": {"name": "greet", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [{"image": "digits:1"}]}}},
        }))
        .await;
    platform.wait::<Route>("latest", |r| condition(r, "Ready") == "True").await;
    platform.wait::<Route>("pinned", |r| condition(r, "Ready") == "True").await;
}

#[tokio::test]
async fn a_pod_that_fits_no_node_is_reported_up_to_the_service() {
    let platform = Platform::start().await;
    let mut object = service("huge", "digits:1");
    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "64"}});
    platform.create::<Service>(&object).await;
    let failed = platform
        .wait::<Service>("huge", |s| {
            condition(s, "ConfigurationsReady") == "False" && condition(s, "RoutesReady") == "False"
        })
        .await;
    let said = message(&failed, "ConfigurationsReady");
    assert!(said.contains("Insufficient cpu"), "{said}");
    assert_eq!(reason(&failed, "ConfigurationsReady"), "RevisionFailed");
    assert_eq!(reason(&failed, "RoutesReady"), "RevisionMissing");
    let revision =
        platform.wait::<Revision>("huge-00001", |r| condition(r, "Ready") == "False").await;
    assert_eq!(reason(&revision, "ResourcesAvailable"), "Unschedulable");
}

#[tokio::test]
async fn settings_apply_from_the_moment_they_are_written() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("before", "digits:1")).await;
    let before = ready(&platform, "before", 1).await;
    assert_eq!(before["spec"]["template"]["spec"]["timeoutSeconds"], 300);
    let set = async |name: &str, data: Value| {
        platform.patch_in::<ConfigMap>("knative-serving", name, &json!({"data": data})).await;
    };
    set("config-defaults", json!({"revision-timeout-seconds": "77"})).await;
    let logs = json!({"logging.revision-url-template": "http://logs/${REVISION_UID}"});
    set("config-observability", logs).await;
    // ConfigMaps are read in the order of their changes: with the second the first is known.
    let revision =
        platform.wait::<Revision>("before-00001", |r| r["status"]["logUrl"].is_string()).await;
    let uid = revision["metadata"]["uid"].as_str().unwrap();
    assert_eq!(revision["status"]["logUrl"], format!("http://logs/{uid}"));
    platform.create::<Service>(&service("after", "digits:1")).await;
    let after = platform.get::<Service>("after").await;
    assert_eq!(after["spec"]["template"]["spec"]["timeoutSeconds"], 77);
}

#[tokio::test]
async fn old_revisions_are_collected_down_to_the_number_that_is_set() {
    let platform = Platform::start().await;
    let keep_one = json!({"data": {
        "retain-since-create-time": "disabled", "retain-since-last-active-time": "disabled",
        "min-non-active-revisions": "0", "max-non-active-revisions": "1",
    }});
    platform.patch_in::<ConfigMap>("knative-serving", "config-gc", &keep_one).await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    ready(&platform, "hello", 1).await;
    for generation in 2..=4 {
        platform.patch::<Service>("hello", &image(&format!("digits:{generation}"))).await;
        ready(&platform, "hello", generation).await;
    }
    platform.wait_gone::<Revision>("hello-00001").await;
    platform.wait_gone::<Revision>("hello-00002").await;
    let mut left = platform.names::<Revision>().await;
    left.sort();
    assert_eq!(left, ["hello-00003", "hello-00004"], "the one in use and one in reserve");
}

#[tokio::test]
async fn a_revision_that_pinned_traffic_leaves_out_goes_into_reserve() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    ready(&platform, "hello", 1).await;
    let pinned = json!({"spec": {"traffic": [{"revisionName": "hello-00001", "percent": 100}]}});
    platform.patch::<Service>("hello", &pinned).await;
    ready(&platform, "hello", 2).await;
    platform.patch::<Service>("hello", &image("digits:2")).await;
    let status = ready(&platform, "hello", 3).await["status"].clone();
    assert_eq!(status["latestReadyRevisionName"], "hello-00002");
    platform.wait::<Revision>("hello-00002", in_state("reserve")).await;
    platform.wait::<Revision>("hello-00001", in_state("active")).await;
}

#[tokio::test]
async fn the_bounds_of_a_whole_service_hold_for_its_revisions_and_make_none() {
    let platform = Platform::start().await;
    let mut object = service("hello", "digits:1");
    object["metadata"]["annotations"] =
        json!({"run.googleapis.com/minScale": "2", "run.googleapis.com/maxScale": "5"});
    object["spec"]["template"]["metadata"] =
        json!({"annotations": {"autoscaling.knative.dev/maxScale": "100"}});
    platform.create::<Service>(&object).await;
    ready(&platform, "hello", 1).await;
    let bounds = |min: &str, max: &str| {
        let wanted = json!({
            "autoscaling.knative.dev/min-scale": min, "autoscaling.knative.dev/maxScale": max,
        });
        move |pa: &Value| {
            let found = &pa["metadata"]["annotations"];
            wanted.as_object().unwrap().iter().all(|(key, value)| found[key] == *value)
        }
    };
    platform.wait::<PodAutoscaler>("hello-00001", bounds("2", "5")).await;
    let fixed = json!({"metadata": {"annotations": {
        "run.googleapis.com/scalingMode": "manual", "run.googleapis.com/manualInstanceCount": "3",
    }}});
    platform.patch::<Service>("hello", &fixed).await;
    platform.wait::<PodAutoscaler>("hello-00001", bounds("3", "3")).await;
    let none = json!({"metadata": {"annotations": {
        "run.googleapis.com/scalingMode": null, "run.googleapis.com/minScale": null,
        "run.googleapis.com/maxScale": null,
    }}});
    platform.patch::<Service>("hello", &none).await;
    platform
        .wait::<PodAutoscaler>("hello-00001", |pa| {
            let found = &pa["metadata"]["annotations"];
            found["autoscaling.knative.dev/min-scale"].is_null()
                && found["autoscaling.knative.dev/maxScale"] == "100"
        })
        .await;
    assert_eq!(platform.names::<Revision>().await, ["hello-00001"]);
}

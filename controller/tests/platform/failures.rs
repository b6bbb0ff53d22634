//! One object's failure is reported to users and operators, and stops no other object.

use std::sync::atomic::Ordering;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Event;
use rouse_api::{Revision, Service};

use crate::harness::{Platform, condition, message, service};

#[tokio::test]
async fn a_revision_whose_reconcile_panics_is_set_aside_and_the_others_go_on() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("broken", "poison:1")).await;
    platform.wait::<Revision>("broken-00001", |_| true).await;
    platform.create::<Service>(&service("hello", "digits:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;

    let is_told = |event: &Event| {
        event.involved_object.name.as_deref() == Some("broken-00001")
            && event.reason.as_deref() == Some("InternalError")
            && event.message.as_deref().is_some_and(|m| m.contains("an invariant of images"))
    };
    platform.wait_any::<Event>(is_told).await;

    platform.poisonous.store(false, Ordering::SeqCst);
    platform.wait::<Service>("broken", |s| condition(s, "Ready") == "True").await;

    let metrics = platform.metrics();
    for (name, labels) in [
        ("rouse_reconcile_count_total", r#"{reconciler="revision",result="panicked"}"#),
        ("rouse_reconcile_count_total", r#"{reconciler="service",result="ok"}"#),
        ("kn_workqueue_retries_total", r#"{name="revision"}"#),
        ("kn_workqueue_adds_total", r#"{name="route"}"#),
        ("kn_workqueue_process_duration_seconds_count", r#"{name="configuration"}"#),
        ("kn_workqueue_queue_duration_seconds_count", r#"{name="gc"}"#),
    ] {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{labels} ")));
        let value = line.and_then(|line| line.rsplit(' ').next()).map(str::parse::<f64>);
        assert!(matches!(value, Some(Ok(value)) if value >= 1.0), "{name}{labels}: {line:?}");
    }
}

#[tokio::test]
async fn a_service_whose_registry_cannot_be_reached_goes_on_with_the_tag_until_it_answers() {
    let platform = Platform::start().await;
    platform.create::<Service>(&service("hello", "far:1")).await;
    platform.wait::<Service>("hello", |s| condition(s, "Ready") == "True").await;
    let revision =
        platform.wait::<Revision>("hello-00001", |r| condition(r, "ImagesPinned") == "False").await;
    let told = message(&revision, "ImagesPinned");
    assert!(told.contains("the registry does not answer"), "{told}");
    let image = |deployment: &serde_json::Value| {
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let deployment = platform.get::<Deployment>("hello-00001-deployment").await;
    assert_eq!(image(&deployment), "far:1");

    platform.unreachable.store(false, Ordering::SeqCst);
    let pinned = format!("far@sha256:{}", "0".repeat(64));
    platform
        .wait::<Revision>("hello-00001", |r| {
            r["status"]["containerStatuses"][0]["imageDigest"] == pinned
                && condition(r, "ImagesPinned").is_empty()
        })
        .await;
    platform.wait::<Deployment>("hello-00001-deployment", |d| image(d) == pinned).await;
}

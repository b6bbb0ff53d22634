//! Objects that are there at the start, and changes that come later.

use futures::FutureExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::api::Api;
use crate::harness::{Pod, REVISION, SOON, Spec, Stage, pod_at, routed, says, split_host};

fn route(name: &str, version: i64, revision: &str) -> Value {
    let host = split_host(&[(revision, 100)]);
    let host = if name == "hello" {
        host
    } else {
        let public = vec![format!("{name}.default.localhost")];
        rouse_api::routing::Host { public, local: Vec::new(), ..host }
    };
    routed("Route", name, version, host)
}

#[tokio::test]
async fn what_is_there_at_the_start_is_served_from_the_first_request_on() {
    let pod = pod_at(says("hello").await);
    let stage = Stage::with([
        ("routes", vec![route("hello", 4, REVISION)]),
        ("revisions", vec![Spec::default().revision(REVISION)]),
        ("pods", vec![pod.object("p")]),
    ]);
    // The test does not wait until it is ready: the connection waits in the backlog.
    assert_eq!(stage.get().await.1, "hello");
    timeout(SOON, stage.handle.served("default", "hello", 4)).await.expect("served");
}

#[tokio::test]
async fn the_gateway_is_ready_once_all_that_exists_is_served() {
    let (api, client) = Api::holding([]);
    api.answers(false);
    let stage = Stage::learning(api, client);
    stage.until_parts(&[("gateway", false), ("routes", false)]).await;
    assert_eq!(stage.handle.ready().now_or_never(), None);
    stage.api.answers(true);
    stage.until_parts(&[("gateway", true), ("routes", true)]).await;
}

#[tokio::test]
async fn a_route_is_served_only_once_its_revision_is_known() {
    let known = Spec::default().revision("known-00001");
    let stage = Stage::with([("revisions", vec![known])]);
    timeout(SOON, stage.handle.ready()).await.expect("ready");
    assert!(stage.get().await.1.contains("UnknownHost"));

    stage.api.put("routes", route("hello", 1, REVISION)).await;
    // Sent after it, so that once this one is served, the other has been applied.
    stage.api.put("routes", route("other", 1, "known-00001")).await;
    timeout(SOON, stage.handle.served("default", "other", 1)).await.expect("its revision is known");
    assert_eq!(stage.handle.served("default", "hello", 1).now_or_never(), None);
    let (status, body) = stage.get().await;
    assert_eq!(status, 503);
    assert!(body.contains("RevisionMissing"), "{body}");

    stage.revision(REVISION, Spec::default()).await;
    timeout(SOON, stage.handle.served("default", "hello", 1)).await.expect("it is known now");
    stage.pod("p", Pod { revision: REVISION, ..pod_at(says("later").await) }).await;
    assert_eq!(stage.get().await.1, "later");
}

#[tokio::test]
async fn a_host_is_unknown_once_its_route_is_gone() {
    let stage = Stage::with([
        ("routes", vec![route("hello", 1, REVISION)]),
        ("revisions", vec![Spec::default().revision(REVISION)]),
        ("pods", vec![pod_at(says("hello").await).object("p")]),
    ]);
    assert_eq!(stage.get().await.1, "hello");
    stage.api.delete("routes", route("hello", 1, REVISION)).await;
    stage.until(|stats| stats.hosts == 0).await;
    assert!(stage.get().await.1.contains("UnknownHost"));
}

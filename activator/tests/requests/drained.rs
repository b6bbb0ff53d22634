//! Pods that their node is about to terminate: they get no new requests, and finish what they have.

use futures::FutureExt;
use http::StatusCode;
use tokio::time::timeout;

use crate::harness::{
    Gate, Pod, SOON, Spec, Stage, gated, get, one_pod, pod_at, read, says, spawn, stage,
};

fn drained(stage: &Stage, name: &str, pod: &Pod) -> impl Future<Output = ()> + Send + 'static {
    let object = serde_json::from_value(pod.object(name)).expect("a pod");
    stage.handle.drained(&object)
}

#[tokio::test]
async fn a_pod_is_drained_when_its_last_request_is_answered_and_gets_no_new_one() {
    let gate = Gate::shut();
    let address = gated(&gate, "old").await;
    let stage = one_pod(Spec::default(), address).await;
    let first = stage.busy().await;
    let mut drained = Box::pin(drained(&stage, "p", &pod_at(address)));
    assert!(drained.as_mut().now_or_never().is_none());
    stage.until(|stats| stats.pods == 0).await;
    // The Pod object does not show it yet, and is sent once more.
    stage.pod("p", Pod { ready: true, ..pod_at(address) }).await;
    let mut client = stage.client().await;
    let second = spawn(async move { read(client.send(get("/")).await.expect("an answer")).await });
    stage.until(|stats| stats.queued == 1).await;
    assert!(drained.as_mut().now_or_never().is_none(), "a request is in it");
    gate.let_through(2);
    let first = timeout(SOON, first).await.expect("in time").expect("no panic");
    assert_eq!(first, (StatusCode::OK, "old".to_owned()));
    timeout(SOON, drained).await.expect("it is empty");
    stage.pod("q", pod_at(says("new").await)).await;
    let second = timeout(SOON, second).await.expect("in time").expect("no panic");
    assert_eq!(second, (StatusCode::OK, "new".to_owned()));
}

#[tokio::test]
async fn a_deleted_pod_is_drained_when_its_last_request_is_answered() {
    let gate = Gate::shut();
    let address = gated(&gate, "old").await;
    let stage = one_pod(Spec::default(), address).await;
    let first = stage.busy().await;
    stage.pod("p", Pod { deleted: true, ..pod_at(address) }).await;
    stage.until(|stats| stats.pods == 0).await;
    let mut drained_p = Box::pin(drained(&stage, "p", &pod_at(address)));
    assert!(drained_p.as_mut().now_or_never().is_none());
    // This later call was answered, so the first one has been received too.
    timeout(SOON, drained(&stage, "other", &pod_at(address))).await.expect("it is unknown");
    assert!(drained_p.as_mut().now_or_never().is_none(), "a request is in it");
    gate.let_through(1);
    assert_eq!(timeout(SOON, first).await.expect("in time").expect("no panic").1, "old");
    timeout(SOON, drained_p).await.expect("it is empty");
}

#[tokio::test]
async fn a_pod_that_is_given_up_before_its_object_came_is_never_used() {
    let stage = stage(Spec::default()).await;
    let old = pod_at(says("old").await);
    timeout(SOON, drained(&stage, "p", &old)).await.expect("nothing is in it");
    stage.pod("p", Pod { ready: true, ..old.clone() }).await;
    stage.pod("q", pod_at(says("new").await)).await;
    stage.until(|stats| stats.pods == 1).await;
    for _ in 0..4 {
        assert_eq!(stage.get().await.1, "new");
    }
    // A new pod of that name is used.
    stage.no_pod("p", old).await;
    stage.pod("p", pod_at(says("again").await)).await;
    stage.until(|stats| stats.pods == 2).await;
}

#[tokio::test]
async fn a_pod_of_no_revision_has_no_requests() {
    let stage = stage(Spec::default()).await;
    let pod = serde_json::json!({ "metadata": { "name": "db", "namespace": "default" } });
    let pod = serde_json::from_value(pod).expect("a pod");
    timeout(SOON, stage.handle.drained(&pod)).await.expect("at once");
}

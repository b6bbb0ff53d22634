//! Balancing: revisions by their shares, pods by their load.

use std::collections::BTreeMap;

use tokio::time::timeout;

use crate::harness::{
    Gate, Pod, REVISION, SOON, Spec, Stage, gated, get, pod_at, read, says, spawn, stage,
};

async fn count(stage: &Stage, clients: usize, each: usize) -> BTreeMap<String, usize> {
    let mut running = Vec::new();
    for _ in 0..clients {
        let mut client = stage.client().await;
        running.push(spawn(async move {
            let mut words = Vec::new();
            for _ in 0..each {
                let response = client.send(get("/")).await.expect("an answer");
                words.push(read(response).await.1);
            }
            words
        }));
    }
    let mut counts = BTreeMap::new();
    for client in running {
        for word in client.await.expect("no panic") {
            *counts.entry(word).or_default() += 1;
        }
    }
    counts
}

async fn two_revisions() -> Stage {
    let mut stage = stage(Spec::default()).await;
    stage.revision("hello-00002", Spec::default()).await;
    stage.pod("p", pod_at(says("one").await)).await;
    stage.pod("q", Pod { revision: "hello-00002", ..pod_at(says("two").await) }).await;
    stage.split(&[(REVISION, 90), ("hello-00002", 10)]).await;
    stage.until(|stats| stats.pods == 2).await;
    stage
}

#[tokio::test]
async fn a_thousand_requests_split_exactly_on_one_connection_and_on_many() {
    let stage = two_revisions().await;
    let want: BTreeMap<String, usize> = [("one".to_owned(), 900), ("two".to_owned(), 100)].into();
    assert_eq!(count(&stage, 1, 1000).await, want);
    assert_eq!(count(&stage, 40, 25).await, want);
}

#[tokio::test]
async fn a_change_of_shares_holds_from_the_next_request_on() {
    let mut stage = two_revisions().await;
    stage.split(&[("hello-00002", 100)]).await;
    assert_eq!(count(&stage, 4, 25).await, [("two".to_owned(), 100)].into());
}

#[tokio::test]
async fn the_pod_with_less_to_do_gets_the_next_request() {
    let stage = stage(Spec::default()).await;
    let gate = Gate::shut();
    let slow = gated(&gate, "slow").await;
    stage.pod("slow", pod_at(slow)).await;
    stage.until(|stats| stats.pods == 1).await;
    let busy = stage.busy().await;
    stage.pod("quick", pod_at(says("quick").await)).await;
    stage.until(|stats| stats.pods == 2).await;
    assert_eq!(count(&stage, 1, 10).await, [("quick".to_owned(), 10)].into());
    gate.let_through(1);
    assert_eq!(busy.await.expect("no panic").1, "slow");
}

#[tokio::test]
async fn a_draining_pod_gets_nothing_new_and_is_reported_until_it_is_empty() {
    let mut stage = stage(Spec::default()).await;
    let gate = Gate::shut();
    let address = gated(&gate, "old").await;
    let old = pod_at(address);
    stage.pod("old", old.clone()).await;
    let busy = stage.busy().await;
    stage.pod("new", pod_at(says("new").await)).await;
    stage.pod("old", Pod { draining: true, ..old }).await;
    let draining = async |stage: &mut Stage, want: u32| {
        let told = async {
            while let Some(report) = stage.load.recv().await {
                let draining = report.revisions.iter().find_map(|load| load.draining.get("old"));
                if draining == Some(&want) {
                    break;
                }
            }
        };
        timeout(SOON, told).await.expect("it is reported");
    };
    draining(&mut stage, 1).await;
    stage.until(|stats| stats.pods == 1).await;
    assert_eq!(count(&stage, 1, 10).await, [("new".to_owned(), 10)].into());
    gate.let_through(1);
    assert_eq!(busy.await.expect("no panic").1, "old");
    draining(&mut stage, 0).await;
}

#[tokio::test]
async fn a_pod_being_deleted_finishes_what_it_has_and_gets_nothing_new() {
    let stage = stage(Spec::default()).await;
    let old = Pod { ready: true, ..pod_at(says("old").await) };
    stage.pod("old", old.clone()).await;
    stage.pod("new", pod_at(says("new").await)).await;
    stage.until(|stats| stats.pods == 2).await;
    let old = Pod { deleted: true, ..old };
    stage.pod("old", old.clone()).await;
    stage.until(|stats| stats.pods == 1).await;
    assert_eq!(count(&stage, 1, 10).await, [("new".to_owned(), 10)].into());
    stage.no_pod("old", old).await;
    assert_eq!(count(&stage, 1, 10).await, [("new".to_owned(), 10)].into());
}

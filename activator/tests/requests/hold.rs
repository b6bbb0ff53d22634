//! Waiting requests: at zero, for a slot, in order, with a bound and a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::time::timeout;

use serde_json::json;

use crate::harness::{
    Gate, HOST, Pod, REVISION, SOON, Spec, gated, get, pod_at, read, says, server, spawn, stage,
    text,
};

fn limited(concurrency: u32) -> Spec {
    Spec { concurrency, ..Spec::default() }
}

#[tokio::test]
async fn a_request_at_zero_is_held_until_a_pod_appears() {
    let mut stage = stage(Spec::default()).await;
    let mut client = stage.client().await;
    let waiting = spawn(async move { client.send(get("/")).await.expect("an answer") });
    let report = timeout(SOON, stage.load.recv()).await;
    let report = report.expect("in time").expect("a report");
    assert_eq!(report.revisions[0].revision, REVISION);
    assert_eq!((report.revisions[0].queued, report.revisions[0].arrivals), (1, 1));

    stage.pod("p", pod_at(says("hello").await)).await;
    let response = timeout(SOON, waiting).await.expect("an answer").expect("no panic");
    let header = |name: &str| {
        response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
    };
    assert_eq!(header("rouse-revision").as_deref(), Some(REVISION));
    let timing = header("server-timing").expect("it waited");
    let phases: Vec<_> = timing.split(", ").filter_map(|part| part.split(';').next()).collect();
    assert_eq!(phases, ["hold", "wake", "bind", "start", "ready", "app"]);
    assert_eq!(read(response).await.1, "hello");

    // The answer to a warm request names its revision, and has no wait to report.
    let mut client = stage.client().await;
    let warm = client.send(get("/")).await.expect("an answer");
    assert!(warm.headers().contains_key("rouse-revision"));
    assert!(!warm.headers().contains_key("server-timing"));
}

#[tokio::test]
async fn a_pod_that_listens_late_is_used_as_soon_as_it_does() {
    let stage = stage(Spec::default()).await;
    // Bound, so that no other process takes the port, and refusing connections until it listens.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = socket.local_addr().expect("bound");
    stage.pod("p", pod_at(address)).await;
    let answer = stage.get();
    let serving = async {
        stage.until(|stats| stats.queued == 1).await;
        assert_eq!(stage.handle.stats().pods, 0);
        let listener = socket.listen(64).expect("it is ours");
        crate::harness::serve(listener, |_| async { text("late") }).await;
    };
    tokio::select! {
        answer = timeout(SOON, answer) => {
            let late = (http::StatusCode::OK, "late".to_owned());
            assert_eq!(answer.expect("it is probed until it listens"), late);
        }
        () = serving => unreachable!("it serves on"),
    }
    // No request was sent to the pod before its probe passed.
    let metrics = stage.component.metrics.encode();
    let retries: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("rouse_request_retries_total")).collect();
    assert!(!retries.is_empty() && retries.iter().all(|line| line.ends_with(" 0")), "{retries:?}");
}

#[tokio::test]
async fn a_pod_gets_no_request_before_its_probe_passed() {
    let stage = stage(Spec::default()).await;
    let (ready, probes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (passing, counted) = (Arc::clone(&ready), Arc::clone(&probes));
    let address = server(move |request| {
        let ready = passing.load(Ordering::SeqCst);
        let probe = request.uri().path() == "/ready";
        counted.fetch_add(u32::from(probe), Ordering::SeqCst);
        let mut response = text(if ready { "ready" } else { "too early" });
        if probe && !ready {
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        }
        async move { response }
    })
    .await;
    let probe = json!({ "httpGet": { "path": "/ready", "port": 0 } });
    stage.pod("p", Pod { probe, ..pod_at(address) }).await;
    let probed = async {
        while probes.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        stage.until(|stats| stats.queued == 1).await;
        ready.store(true, Ordering::SeqCst);
    };
    let (answer, probed) = tokio::join!(stage.get(), timeout(SOON, probed));
    probed.expect("it is probed until it passes");
    assert_eq!(answer, (http::StatusCode::OK, "ready".to_owned()));
}

#[tokio::test]
async fn a_pod_that_only_the_kubelet_can_probe_waits_for_ready() {
    let stage = stage(Spec::default()).await;
    let probe = json!({ "exec": { "command": ["true"] } });
    let pod = Pod { probe, ..pod_at(says("hello").await) };
    stage.pod("p", pod.clone()).await;
    let ready = async {
        stage.until(|stats| stats.queued == 1).await;
        assert_eq!(stage.handle.stats().pods, 0);
        stage.pod("p", Pod { ready: true, ..pod }).await;
    };
    let (answer, ()) = tokio::join!(stage.get(), ready);
    assert_eq!(answer.1, "hello");
}

#[tokio::test]
async fn no_request_waits_longer_than_the_timeout_and_the_cause_is_told() {
    let stage = stage(Spec { timeouts: [1, 0, 0], ..Spec::default() }).await;
    let waiting = Some(("CrashLoopBackOff", "it exits at once"));
    let nowhere = ([127, 0, 0, 1], 9).into();
    stage.pod("p", Pod { waiting, address: None, ..pod_at(nowhere) }).await;
    let (status, body) = stage.get().await;
    assert_eq!(status, 504);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["reason"], "NotReadyInTime");
    assert_eq!(body["revision"], REVISION);
    assert_eq!(body["cause"], "CrashLoopBackOff: it exits at once");
    stage.until(|stats| stats.queued == 0).await;
}

#[tokio::test]
async fn beyond_the_queue_limit_the_answer_is_503_at_once() {
    let stage = stage(Spec { queue_limit: 2, ..Spec::default() }).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = stage.client().await;
        clients.push(spawn(async move { client.send(get("/")).await }));
    }
    stage.until(|stats| stats.queued == 2).await;
    let (status, body) = stage.get().await;
    assert_eq!(status, 503);
    assert!(body.contains(r#""reason":"QueueFull""#), "{body}");
    // The waiting requests are served all the same.
    stage.pod("p", pod_at(says("hello").await)).await;
    for client in clients {
        assert_eq!(client.await.expect("no panic").expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn concurrency_is_exact_across_threads_under_fifty_clients() {
    const LIMIT: u32 = 3;
    let stage = stage(limited(LIMIT)).await;
    let highest = Arc::new(AtomicU32::new(0));
    for name in ["p", "q"] {
        let (now, highest) = (Arc::new(AtomicU32::new(0)), Arc::clone(&highest));
        let address = server(move |_| {
            let (now, highest) = (Arc::clone(&now), Arc::clone(&highest));
            async move {
                highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                text("done")
            }
        })
        .await;
        stage.pod(name, pod_at(address)).await;
    }
    stage.until(|stats| stats.pods == 2).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = stage.client().await;
        clients.push(spawn(async move {
            for _ in 0..20 {
                let response = client.send(get("/")).await.expect("an answer");
                assert_eq!(read(response).await.0, 200);
            }
        }));
    }
    for client in clients {
        client.await.expect("all answered");
    }
    assert_eq!(highest.load(Ordering::SeqCst), LIMIT, "reached and never passed");
    stage.until(|stats| (stats.in_flight, stats.queued) == (0, 0)).await;
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_slot_and_its_place_back() {
    let stage = stage(limited(1)).await;
    let gate = Gate::shut();
    let address = gated(&gate, "done").await;
    stage.pod("p", pod_at(address)).await;
    stage.until(|stats| stats.pods == 1).await;
    let mut clients = Vec::new();
    for in_line in 0..3_u32 {
        let mut client = stage.client().await;
        clients.push(spawn(async move { client.send(get("/")).await }));
        stage.until(|stats| stats.in_flight + stats.queued == in_line + 1).await;
    }
    // The second gives up its place, the first its slot, which goes to the third.
    let last = clients.pop().expect("three");
    clients.pop().expect("two").abort();
    stage.until(|stats| (stats.in_flight, stats.queued) == (1, 1)).await;
    clients.pop().expect("one").abort();
    stage.until(|stats| (stats.in_flight, stats.queued) == (1, 0)).await;
    gate.let_through(3);
    assert_eq!(last.await.expect("no panic").expect("an answer").status(), 200);
    stage.until(|stats| (stats.in_flight, stats.queued) == (0, 0)).await;
}

#[tokio::test]
async fn a_deleted_revision_answers_the_requests_that_wait() {
    let stage = stage(Spec::default()).await;
    let deleted = async {
        stage.until(|stats| stats.queued == 1).await;
        stage.api.delete("revisions", Spec::default().revision(REVISION)).await;
    };
    let ((status, body), ()) = tokio::join!(stage.get(), deleted);
    assert_eq!(status, 503);
    assert!(body.contains("RevisionMissing"), "{body} of {HOST}");
}

//! Workers that panic, on paused time.

use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rouse_kit::Component;
use serde_json::json;

use super::*;
use crate::images::LocalImage;
use crate::runtime::fake::FakeRuntime;
use crate::runtime::{ContainerRuntime as _, ContainerSpec, Exit};
use crate::testing::{self, Sent};

const LONG: Duration = Duration::from_secs(3600);

struct Bench {
    _dir: tempfile::TempDir,
    shared: Arc<Shared>,
    runtime: Arc<FakeRuntime>,
    sent: Sent,
    seen: watch::Sender<Seen>,
    runs: Arc<AtomicUsize>,
}

fn bench() -> Bench {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), Arc::new(FakeRuntime::default()));
    let component = Component::alone("node");
    let (shared, sent) = testing::shared(dir.path(), Arc::clone(&runtime) as _, &component);
    let pod = json!({"metadata": {"name": "p", "namespace": "demo", "uid": "u"}});
    let pod = Arc::new(serde_json::from_value(pod).unwrap());
    let (seen, _) = watch::channel(Seen { pod, gone: false });
    Bench { _dir: dir, shared, runtime, sent, seen, runs: Arc::default() }
}

impl Bench {
    /// Supervises a worker that panics at first, and so often.
    fn supervise(&self, panics: usize) -> impl Future<Output = ()> + use<> {
        let runs = Arc::clone(&self.runs);
        let worker = move |_, _| {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                assert!(run >= panics, "run {run} fails");
            }
        };
        supervise_with(Arc::clone(&self.shared), self.seen.subscribe(), worker)
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_is_started_again_later_and_an_event_says_so() {
    let bench = bench();
    let began = Instant::now();
    tokio::time::timeout(LONG, bench.supervise(3)).await.unwrap();
    assert_eq!(bench.runs(), 4);
    assert_eq!(began.elapsed().as_secs(), 10 + 20 + 40);
    let sent = bench.sent.lock().clone();
    let events: Vec<_> = sent.iter().filter(|(method, ..)| method == "POST").collect();
    let (_, path, event) = events[0];
    assert_eq!(path, "/api/v1/namespaces/demo/events");
    assert_eq!(event["reason"], "InternalError");
    assert_eq!(event["involvedObject"]["uid"], "u");
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("panicked: run 0 fails"), "{message}");
    assert!(message.contains("starts again in 10s"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn the_containers_of_a_worker_that_panicked_are_ended() {
    let bench = bench();
    let start = |uid: &str| {
        let pod = PodRef { namespace: "demo".into(), name: "p".into(), uid: uid.into() };
        let log = bench.shared.logs.writer(&pod, "user", 0);
        let image = Arc::new(LocalImage::empty("app", std::path::Path::new("/")));
        bench.runtime.start(ContainerSpec::new(pod, image, &[], log))
    };
    let (ours, other) = (start("u").await.unwrap(), start("v").await.unwrap());
    tokio::time::timeout(LONG, bench.supervise(1)).await.unwrap();
    let killed = Exit { code: 137, oom_killed: false, message: None };
    assert_eq!(tokio::time::timeout(LONG, ours.exit).await.unwrap(), killed);
    assert!(tokio::time::timeout(LONG, other.exit).await.is_err(), "a neighbour goes on");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_tried_at_once_and_a_pod_that_is_gone_is_released() {
    let bench = bench();
    let supervising = tokio::spawn(bench.supervise(usize::MAX));
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.runs(), 1);
    bench.seen.send_modify(|seen| {
        let mut pod = (*seen.pod).clone();
        pod.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        seen.pod = Arc::new(pod);
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.runs(), 2);
    bench.seen.send_modify(|seen| seen.gone = true);
    tokio::time::timeout(LONG, supervising).await.unwrap().unwrap();
    assert_eq!(began.elapsed().as_secs(), 1 + 20, "after the pause of a second failure");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_platform_waits_for_no_pause() {
    let bench = bench();
    let supervising = tokio::spawn(bench.supervise(usize::MAX));
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.shared.halting.cancel();
    tokio::time::timeout(Duration::from_secs(1), supervising).await.unwrap().unwrap();
    assert_eq!(bench.runs(), 1);
}

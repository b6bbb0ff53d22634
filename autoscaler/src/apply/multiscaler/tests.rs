//! The task of a revision, under paused time, writing to a double.

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use rouse_api::PodAutoscaler;
use rouse_api::config::AutoscalerConfig;
use rouse_api::keys;
use rouse_api::load::RevisionLoad;
use rouse_api::podautoscaler::{PodAutoscalerStatus, ScaleChange};
use rouse_kit::{Clock, Process, Shutdown};
use tokio::sync::mpsc;

use super::*;
use crate::apply::write::WriteError;
use crate::decide::drain::{PodView, Stage};
use crate::decide::spec::ScalingSpec;

/// Sends every write to the test.
struct RecordedScales(mpsc::Sender<String>);

impl RecordedScales {
    fn wrote(&self, what: String) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(async move {
            self.0.send(what).await.unwrap();
            Ok(())
        })
    }
}

impl Scales for RecordedScales {
    fn scale<'a>(
        &'a self,
        _: &'a ObjectKey,
        deployment: &'a str,
        replicas: u32,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        self.wrote(format!("scale {deployment} {replicas}"))
    }

    fn mark<'a>(
        &'a self,
        _: &'a ObjectKey,
        pod: &'a str,
        marked: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        self.wrote(format!("{} {pod}", if marked.is_some() { "mark" } else { "unmark" }))
    }

    fn put_first<'a>(
        &'a self,
        _: &'a ObjectKey,
        pod: &'a str,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        self.wrote(format!("first {pod}"))
    }

    fn report<'a>(
        &'a self,
        _: &'a ObjectKey,
        status: &'a PodAutoscalerStatus,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        self.wrote(format!("status {:?} {:?}", status.desired_scale, status.actual_scale))
    }

    fn tell(&self, about: ObjectReference, notice: Notice) {
        let name = about.name.unwrap_or_default();
        self.0.try_send(format!("event {name} {}", notice.reason)).unwrap();
    }
}

struct Harness {
    scaler: Arc<Multiscaler>,
    writes: mpsc::Receiver<String>,
    key: ObjectKey,
    clock: Clock,
    sequence: u64,
    seconds: f64,
}

fn harness(replicas: u32) -> Harness {
    let (told, writes) = mpsc::channel(64);
    let clock = Clock::starting_at("2025-01-01T00:00:00Z".parse().unwrap());
    let component = Process::new(clock).component("autoscaler", Shutdown::new());
    let scaler = Multiscaler::new(Arc::new(RecordedScales(told)), component);
    let key = ObjectKey::new("models", "digits-00001");
    let all = Harness { scaler, writes, key: key.clone(), clock, sequence: 0, seconds: 0.0 };
    all.add(&key, replicas);
    all
}

impl Harness {
    /// Adds a revision, as the reconciler does.
    fn add(&self, key: &ObjectKey, replicas: u32) {
        let mut pa = PodAutoscaler::new(&key.name, Default::default());
        pa.metadata.namespace = Some(key.namespace.clone());
        pa.spec.scale_target_ref.name = format!("{}-deployment", key.name);
        pa.metadata.annotations = Some([(keys::WINDOW.to_owned(), "6s".to_owned())].into());
        let spec = ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600));
        let mut revision = Revision::new(key.clone(), &pa, spec, false, self.clock.moment());
        revision.set_replicas(Some(replicas));
        self.scaler.add(revision, About::of(&pa));
    }

    /// The newest change of scale.
    fn last_change(&self) -> ScaleChange {
        let last = |revision: &Revision| revision.changes().next().cloned();
        self.scaler.get(&self.key).unwrap().read(last).unwrap()
    }

    fn report(&mut self, in_flight: u32, queued: u32, draining: &[(&str, u32)]) {
        self.report_busy(in_flight, queued, None, draining);
    }

    fn report_busy(
        &mut self,
        in_flight: u32,
        queued: u32,
        busy: Option<&[(&str, u32)]>,
        draining: &[(&str, u32)],
    ) {
        let pods =
            |pods: &[(&str, u32)]| pods.iter().map(|(pod, n)| ((*pod).to_owned(), *n)).collect();
        self.sequence += 1;
        self.scaler.report(LoadReport {
            activator: "a".to_owned(),
            epoch: 1,
            sequence: self.sequence,
            elapsed: 0.0,
            revisions: vec![RevisionLoad {
                namespace: self.key.namespace.clone(),
                revision: self.key.name.clone(),
                in_flight_seconds: self.seconds,
                arrivals: 1,
                in_flight,
                queued,
                busy: busy.map(pods),
                draining: pods(draining),
                ..RevisionLoad::default()
            }],
        });
    }

    fn pod(&self, name: &str) {
        self.pod_since(name, self.clock.now());
    }

    fn pod_since(&self, name: &str, since: Timestamp) {
        let pod = PodView {
            name: name.to_owned(),
            stage: Stage::Ready,
            since,
            marked: None,
            grace: Duration::from_secs(300),
        };
        self.scaler.get(&self.key).unwrap().update(|revision| revision.set_pod(pod));
    }

    /// The writes before `what`, which must come within minutes.
    async fn until(&mut self, what: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(300);
        let mut before = Vec::new();
        loop {
            match tokio::time::timeout_at(deadline, self.writes.recv()).await {
                Ok(Some(write)) if write == what => return before,
                Ok(Some(write)) => before.push(write),
                Ok(None) | Err(_) => panic!("{what:?} was not written, but {before:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_writes_the_scale_without_waiting_for_time() {
    let mut all = harness(0);
    all.until("status None Some(0)").await;
    let before = all.clock.now();
    all.report(0, 1, &[]);
    assert_eq!(all.writes.recv().await.as_deref(), Some("scale digits-00001-deployment 1"));
    assert_eq!(all.clock.now(), before);
    assert_eq!(all.last_change().reason, "Woken");
}

#[tokio::test(start_paused = true)]
async fn an_idle_pod_is_marked_then_gone() {
    let mut all = harness(1);
    all.pod("p");
    let begun = all.clock.now();
    let writes = all.until("mark p").await;
    assert!(writes.iter().all(|write| write.starts_with("status")), "{writes:?}");
    all.report(0, 0, &[("p", 0)]);
    all.until("scale digits-00001-deployment 0").await;
    let lasted = all.clock.now().duration_since(begun).as_secs_f64();
    assert!((6.0..9.0).contains(&lasted), "{lasted} s");
    let change = all.last_change();
    assert_eq!((change.from, change.to), (1, 0));
    assert_eq!(change.reason, "StableWindowEmpty");
}

#[tokio::test(start_paused = true)]
async fn requests_in_a_marked_pod_hold_the_scale() {
    let mut all = harness(1);
    all.pod("p");
    all.until("mark p").await;
    all.report(1, 0, &[("p", 1)]);
    let marked = all.clock.now();
    all.report(0, 1, &[("p", 1)]);
    let between = all.until("unmark p").await;
    assert!(!between.iter().any(|write| write.starts_with("scale")), "{between:?}");
    assert_eq!(all.clock.now(), marked);
}

#[tokio::test(start_paused = true)]
async fn requests_that_waited_before_the_revision_was_known_wake_it() {
    let mut all = harness(0);
    all.key = ObjectKey::new("models", "late-00001");
    all.report(0, 2, &[]);
    assert!(all.scaler.get(&all.key).is_none());
    all.add(&all.key, 0);
    all.until("scale late-00001-deployment 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_whose_scaling_panics_starts_over_and_the_others_go_on() {
    let mut all = harness(0);
    let other = ObjectKey::new("models", "other-00001");
    all.add(&other, 0);
    let broken = all.key.clone();
    let spoil = |all: &Harness| {
        all.scaler.get(&all.key).unwrap().update(|_| panic!("an invariant is broken"));
    };
    spoil(&all);
    all.until("event digits-00001 InternalError").await;
    all.key = other;
    all.report(0, 1, &[]);
    all.until("scale other-00001-deployment 1").await;

    let begun = all.clock.now();
    assert_eq!(all.scaler.to_restart().await, broken);
    all.key = broken;
    all.add(&all.key, 0);
    spoil(&all);
    all.until("event digits-00001 InternalError").await;
    all.scaler.to_restart().await;
    let lasted = all.clock.now().duration_since(begun).as_millis();
    assert!((250..400).contains(&lasted), "the second pause is twice as long: {lasted} ms");

    all.add(&all.key, 0);
    all.report(0, 1, &[]);
    all.until("scale digits-00001-deployment 1").await;
}

#[tokio::test(start_paused = true)]
async fn of_two_pods_the_idle_one_is_marked_and_the_busy_one_stays() {
    let mut all = harness(2);
    // The younger would be marked if neither or both had a request.
    all.pod_since("idle", all.clock.now() - Duration::from_secs(60));
    all.pod_since("busy", all.clock.now());
    let mut marked = None;
    for _ in 0..20 {
        all.seconds += 1.0;
        all.report_busy(1, 0, Some(&[("busy", 1)]), &[]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        while let Ok(write) = all.writes.try_recv() {
            marked = marked.or_else(|| write.contains("mark").then_some(write));
        }
        if marked.is_some() {
            break;
        }
    }
    assert_eq!(marked.as_deref(), Some("mark idle"));
    all.report_busy(1, 0, Some(&[("busy", 1)]), &[("idle", 0)]);
    let between = all.until("scale digits-00001-deployment 1").await;
    assert!(!between.iter().any(|write| write.contains("busy")), "{between:?}");
}

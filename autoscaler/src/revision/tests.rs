//! A revision's life in steps, told as load and pods against time.

use super::*;
use rouse_api::config::AutoscalerConfig;
use rouse_api::keys;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000_000 + ms).unwrap()
}

/// A revision, the Deployment that obeys it, and a pod a replica that is ready at once.
struct Life {
    revision: Revision,
    now: i64,
    replicas: u32,
    seconds: f64,
    /// (ms, from, to, reason) of each change.
    changes: Vec<(i64, i32, i32, String)>,
}

fn life(annotations: &[(&str, &str)], replicas: u32) -> Life {
    let mut pa = PodAutoscaler::new("digits-00001", Default::default());
    pa.metadata.annotations =
        Some(annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let spec = ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600));
    let key = ObjectKey::new("models", "digits-00001");
    let mut revision = Revision::new(key, &pa, spec, false, at(0));
    revision.set_replicas(Some(replicas));
    let mut life = Life { revision, now: 0, replicas, seconds: 0.0, changes: Vec::new() };
    life.obey();
    life
}

fn pod(number: u32, now: i64, marked: Option<Timestamp>) -> PodView {
    PodView {
        name: format!("pod-{number}"),
        stage: Stage::Ready,
        since: at(now),
        marked,
        grace: Duration::from_secs(300),
    }
}

impl Life {
    /// Pods as the Deployment asks for them, those with marks gone first.
    fn obey(&mut self) {
        let mut pods: Vec<PodView> = self.revision.pods.values().cloned().collect();
        pods.sort_by_key(|pod| (pod.marked.is_some(), pod.since));
        pods.truncate(self.replicas as usize);
        for number in 0.. {
            if pods.len() >= self.replicas as usize {
                break;
            }
            let fresh = pod(number, self.now, None);
            if pods.iter().all(|pod| pod.name != fresh.name) {
                pods.push(fresh);
            }
        }
        self.revision.set_pods(pods);
    }

    /// One step, carried out; marked pods are reported as empty.
    fn step(&mut self) {
        let step = self.revision.step(at(self.now));
        for name in &step.drain.mark {
            self.revision.marked(name, Some(at(self.now)));
        }
        for name in &step.drain.unmark {
            self.revision.marked(name, None);
        }
        if let (Some(to), Some(change)) = (step.drain.scale, step.change) {
            self.changes.push((self.now, change.from, change.to, change.reason.clone()));
            self.revision.scaled(to, change);
            self.replicas = to;
            self.obey();
        }
        if let Some(status) = self.revision.status(at(self.now)) {
            self.revision.reported(status);
        }
    }

    fn report(&mut self, in_flight: u32, queued: u32, busy: u32) -> News {
        let draining = self
            .revision
            .pods
            .values()
            .filter(|pod| pod.marked.is_some())
            .map(|pod| (pod.name.clone(), busy))
            .collect();
        let sample = Sample {
            span: Duration::from_secs(1),
            request_seconds: std::mem::take(&mut self.seconds),
            arrivals: 0,
            present: Present { in_flight, queued, busy: None, draining },
        };
        self.revision.feed("a", sample, at(self.now))
    }

    /// `seconds` under `load` requests, reported and stepped every half second.
    fn pass(&mut self, seconds: i64, load: u32) {
        for _ in 0..seconds * 2 {
            self.now += 500;
            self.seconds += f64::from(load) * 0.5;
            if load > 0 || self.revision.pods.values().any(|pod| pod.marked.is_some()) {
                self.report(load, 0, 0);
            }
            self.step();
        }
    }

    fn changed(&mut self) -> Vec<(i64, i32, i32, String)> {
        std::mem::take(&mut self.changes)
    }
}

#[test]
fn an_idle_revision_sleeps_after_its_window_and_not_before() {
    let mut life = life(&[(keys::WINDOW, "6s")], 1);
    life.pass(10, 1);
    life.pass(6, 0);
    assert_eq!(life.changed(), []);
    life.pass(4, 0);
    let changes = life.changed();
    assert_eq!(changes.len(), 1, "{changes:?}");
    let (ms, from, to, reason) = &changes[0];
    assert!((16_000..=20_000).contains(ms), "{ms}");
    assert_eq!((*from, *to, reason.as_str()), (1, 0, "StableWindowEmpty"));
    assert_eq!(life.revision.status.desired_scale, Some(0));
}

#[test]
fn a_waiting_request_wakes_the_revision_in_the_same_step() {
    let mut life = life(&[(keys::WINDOW, "6s")], 1);
    life.pass(30, 0);
    assert_eq!(life.replicas, 0);
    life.changed();
    life.now += 123;
    assert_eq!(life.report(0, 1, 0), News::Decide);
    life.step();
    assert_eq!(life.changed(), [(life.now, 0, 1, "Woken".to_owned())]);
}

#[test]
fn a_request_that_comes_while_the_last_pod_drains_keeps_it() {
    let mut life = life(&[(keys::WINDOW, "6s")], 1);
    life.pass(10, 1);
    let unmarked = |life: &Life| life.revision.pods.values().all(|pod| pod.marked.is_none());
    for _ in 0..100 {
        if unmarked(&life) {
            life.now += 500;
            life.step();
        }
    }
    assert!(!unmarked(&life), "the pod is marked within 50 s");
    assert_eq!(life.report(0, 1, 1), News::Decide);
    life.step();
    assert!(life.revision.pods.values().all(|pod| pod.marked.is_none()));
    assert_eq!((life.changed(), life.replicas), (vec![], 1));
}

#[test]
fn the_last_pod_is_retained_as_long_as_asked_for() {
    let mut life = life(&[(keys::WINDOW, "6s"), (keys::SCALE_TO_ZERO_RETENTION, "20s")], 1);
    life.pass(10, 1);
    life.pass(25, 0);
    assert_eq!(life.replicas, 1);
    assert_eq!(life.revision.activity.state, scale::Active::NoTraffic);
    life.pass(6, 0);
    assert_eq!(life.replicas, 0);
}

#[test]
fn pods_follow_the_load_up_at_once_and_down_with_a_drain() {
    let mut life = life(&[(keys::TARGET, "10"), (keys::TARGET_UTILIZATION, "100")], 1);
    life.pass(10, 5);
    life.pass(20, 60);
    assert_eq!(life.replicas, 6);
    life.pass(200, 5);
    assert_eq!(life.replicas, 1);
    let down = life.changed().into_iter().filter(|(_, from, to, _)| to < from).count();
    assert!(down >= 2, "halved at most with each decision");
}

#[test]
fn a_busy_pod_holds_the_scale_until_it_is_empty() {
    let mut life = life(&[(keys::WINDOW, "6s"), (keys::TARGET, "1")], 2);
    life.revision.initialized = true;
    for _ in 0..30 {
        life.now += 500;
        life.seconds += 0.1;
        life.report(1, 0, 1);
        life.step();
    }
    assert_eq!(life.replicas, 2);
    life.report(0, 0, 0);
    life.step();
    assert_eq!(life.replicas, 1);
}

#[test]
fn initial_scale_is_kept_until_reached_and_min_scale_for_ever() {
    let mut life = life(&[(keys::INITIAL_SCALE, "3"), (keys::MIN_SCALE, "2")], 3);
    assert!(!life.revision.initialized);
    life.pass(4, 0);
    assert!(life.revision.initialized);
    life.pass(200, 0);
    assert_eq!(life.replicas, 2);
}

#[test]
fn a_restarted_autoscaler_lowers_nothing_for_a_window() {
    let mut life = life(&[], 1);
    life.revision.keep_until = Some(at(60_000));
    life.revision.activity = Activity { state: scale::Active::Active, since: at(-900_000) };
    life.pass(59, 0);
    assert_eq!(life.replicas, 1);
    life.pass(5, 0);
    assert_eq!(life.replicas, 0);
}

#[test]
fn a_status_is_written_only_when_it_says_something_new() {
    let mut life = life(&[], 1);
    life.pass(4, 1);
    assert_eq!(life.revision.status(at(life.now)), None);
    life.now += 60_000;
    assert_eq!(life.revision.status(at(life.now)), None);
}

#[test]
fn a_revision_whose_pods_never_start_is_given_up() {
    let mut life = life(&[(keys::PROGRESS_DEADLINE, "10s")], 1);
    life.revision.set_pods(vec![PodView { stage: Stage::Running, ..pod(0, 0, None) }]);
    while life.replicas > 0 && life.now < 60_000 {
        life.now += 500;
        life.step();
    }
    assert!((40_000..45_000).contains(&life.now), "{}", life.now);
    let changes = life.changed();
    assert_eq!(changes[0].3, "ActivationTimedOut", "{changes:?}");
    assert_eq!(life.revision.activity.state, scale::Active::TimedOut);
}

//! Steps of a revision, with load and pods over time.

use super::*;
use rouse_api::config::AutoscalerConfig;
use rouse_api::keys;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000_000 + ms).unwrap()
}

fn now(ms: i64) -> Moment {
    Moment::from(at(ms))
}

/// A revision, its Deployment, and one pod for each replica, ready at once.
struct Life {
    revision: Revision,
    now: i64,
    replicas: u32,
    seconds: f64,
    /// (ms, from, to, reason) of each change.
    changes: Vec<(i64, i32, i32, String)>,
}

/// A PodAutoscaler with these annotations, and its settings.
fn scaling(annotations: &[(&str, &str)]) -> (PodAutoscaler, ScalingSpec) {
    let mut pa = PodAutoscaler::new("digits-00001", Default::default());
    pa.metadata.annotations =
        Some(annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let spec = ScalingSpec::new(&pa, &AutoscalerConfig::default(), Duration::from_secs(600));
    (pa, spec)
}

fn life(annotations: &[(&str, &str)], replicas: u32) -> Life {
    let (pa, spec) = scaling(annotations);
    let key = ObjectKey::new("models", "digits-00001");
    let mut revision = Revision::new(key, &pa, spec, false, now(0));
    revision.set_replicas(Some(replicas));
    let mut life = Life { revision, now: 0, replicas, seconds: 0.0, changes: Vec::new() };
    life.follow_replicas();
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
    /// Makes the pods that the Deployment asks for; marked pods are removed first.
    fn follow_replicas(&mut self) {
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

    /// One step, with its writes carried out.
    fn step(&mut self) {
        let step = self.revision.step(now(self.now));
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
            self.follow_replicas();
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
            ..Sample::default()
        };
        self.revision.feed("a", sample, now(self.now))
    }

    /// `seconds` under `load` requests, reported and stepped every half second; marked pods are
    /// reported as empty.
    fn pass(&mut self, seconds: i64, load: u32) {
        for _ in 0..seconds * 2 {
            self.now += 500;
            self.seconds += f64::from(load) * 0.5;
            if load > 0 || self.marked() > 0 {
                self.report(load, 0, 0);
            }
            self.step();
        }
    }

    /// How many pods are marked as draining.
    fn marked(&self) -> usize {
        self.revision.pods.values().filter(|pod| pod.marked.is_some()).count()
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
    for _ in 0..20 {
        life.now += 500;
        life.step();
        if life.marked() > 0 {
            break;
        }
    }
    assert_eq!(life.marked(), 1);
    assert_eq!(life.report(0, 1, 1), News::Decide);
    life.step();
    assert_eq!((life.marked(), life.changed(), life.replicas), (0, vec![], 1));
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
    let mut before = life(&[], 1);
    before.pass(4, 1);
    let mut pa = PodAutoscaler::new("digits-00001", Default::default());
    pa.status = Some(before.revision.status.clone());
    for (recovered, after_30_s) in [(false, 0), (true, 1)] {
        let spec = before.revision.spec.clone();
        let key = before.revision.key.clone();
        // As if the revision had been active for long.
        let mut revision = Revision::new(key, &pa, spec, recovered, now(900_000));
        assert_eq!(revision.activity.state, scale::Active::Active);
        revision.set_replicas(Some(1));
        let mut life = Life { revision, now: 900_000, replicas: 1, seconds: 0.0, changes: vec![] };
        life.follow_replicas();
        life.pass(30, 0);
        assert_eq!(life.replicas, after_30_s, "recovered: {recovered}");
        life.pass(29, 0);
        assert_eq!((life.replicas, life.marked()), (after_30_s, 0), "recovered: {recovered}");
        if recovered {
            let step = life.revision.step(now(959_100));
            assert_eq!((step.drain.mark.len(), step.again), (0, Some(Duration::from_millis(900))));
            assert_eq!(life.revision.step(now(960_000)).drain.mark, ["pod-0"]);
        }
        life.pass(5, 0);
        assert_eq!(life.replicas, 0, "recovered: {recovered}");
    }
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

#[test]
fn a_changed_setting_is_followed_in_the_next_step() {
    let mut life = life(&[], 1);
    life.pass(4, 1);
    let (mut pa, spec) = scaling(&[(keys::MIN_SCALE, "3")]);
    pa.metadata.generation = Some(2);
    pa.spec.scale_target_ref.name = "other-deployment".to_owned();
    life.revision.set_spec(&pa, spec);
    life.step();
    assert_eq!(life.changed(), [(life.now, 1, 3, "MinScale".to_owned())]);
    assert_eq!(life.revision.deployment, "other-deployment");
    assert_eq!(life.revision.status.observed_generation, Some(2));
}

#[test]
fn load_beyond_what_the_pods_can_carry_is_decided_on_at_once() {
    // 10 requests in each pod are the target, and two pods can carry 20.
    let mut life = life(&[(keys::TARGET, "10"), (keys::TARGET_UTILIZATION, "50")], 2);
    life.pass(2, 8);
    assert_eq!(life.report(15, 5, 0), News::Nothing, "as much as they can carry");
    assert_eq!(life.report(15, 6, 0), News::Decide);
    assert_eq!(life.report(15, 7, 0), News::Nothing, "it was too much before");
    life.report(20, 0, 0);
    assert_eq!(life.report(21, 0, 0), News::Decide);
}

#[test]
fn a_decision_is_made_every_tick_and_at_once_when_it_is_due() {
    let mut life = life(&[(keys::TARGET, "10"), (keys::TARGET_UTILIZATION, "100")], 1);
    life.step();
    let first = life.revision.decided.clone().map(|decided| decided.seen.stable);
    life.now += 1000;
    life.seconds = 5.0;
    assert_eq!(life.report(5, 0, 0), News::Nothing);
    let step = life.revision.step(now(life.now));
    assert_eq!(life.revision.decided.clone().map(|decided| decided.seen.stable), first);
    assert_eq!(step.again, Some(Duration::from_secs(1)), "the next tick");
    life.now += 100;
    life.report(11, 0, 0);
    life.step();
    assert!(life.revision.decided.clone().is_some_and(|decided| decided.seen.stable > 1.0));
}

#[test]
fn a_revision_may_be_scaled_by_requests_a_second() {
    let by_rps = [(keys::METRIC, "rps"), (keys::TARGET, "10"), (keys::TARGET_UTILIZATION, "100")];
    let mut life = life(&by_rps, 1);
    for _ in 0..10 {
        life.now += 1000;
        let sample = Sample { span: Duration::from_secs(1), arrivals: 25, ..Sample::default() };
        life.revision.feed("a", sample, now(life.now));
        life.step();
    }
    assert_eq!(life.replicas, 3);
    assert_eq!(life.revision.snapshot(at(life.now)).metric, "rps");
}

#[test]
fn the_requests_of_all_activators_count() {
    let mut life = life(&[(keys::TARGET, "10"), (keys::TARGET_UTILIZATION, "100")], 1);
    life.pass(2, 4);
    let there = |in_flight, queued| Present { in_flight, queued, ..Present::default() };
    life.revision.set_present("b".to_owned(), there(5, 0));
    assert_eq!(life.report(6, 0, 0), News::Decide, "6 here and 5 there are more than 10");
    life.revision.set_present("b".to_owned(), there(u32::MAX, u32::MAX));
    assert_eq!(life.revision.load(), u32::MAX);
    assert_eq!(life.revision.queued(), u32::MAX);
}

#[test]
fn requests_that_waited_elsewhere_are_decided_on_at_once() {
    let mut life = life(&[], 0);
    life.step();
    let waiting = |queued| Present { queued, ..Present::default() };
    life.now += 100;
    life.revision.set_present("b".to_owned(), waiting(0));
    life.step();
    assert_eq!(life.changed(), []);
    life.revision.set_present("b".to_owned(), waiting(1));
    life.step();
    assert_eq!(life.changed(), [(100, 0, 1, "Woken".to_owned())]);
}

#[test]
fn until_a_mark_can_have_been_seen_silence_does_not_empty_a_pod() {
    for heard in [true, false] {
        let mut life = life(&[(keys::WINDOW, "6s")], 1);
        for _ in 0..40 {
            life.now += 500;
            life.step();
            if life.marked() > 0 {
                break;
            }
        }
        let marked = life.now;
        if heard {
            // The activator knows of no mark yet, and may have sent the pod a request.
            life.revision.set_present("a".to_owned(), Present::default());
        }
        let step = life.revision.step(now(marked + 1900));
        assert_eq!(
            (step.drain.scale, step.again),
            (None, Some(Duration::from_millis(100))),
            "{heard}"
        );
        // A mark between two ticks is looked at again between two ticks.
        life.revision.marked("pod-0", Some(at(marked + 500)));
        let step = life.revision.step(now(marked + 2000));
        assert_eq!(
            (step.drain.scale, step.again),
            (None, Some(Duration::from_millis(500))),
            "{heard}"
        );
        assert_eq!(life.revision.step(now(marked + 2500)).drain.scale, Some(0), "{heard}");
    }
}

#[test]
fn a_pod_that_went_is_counted_no_longer() {
    let mut life = life(&[(keys::MIN_SCALE, "2")], 2);
    life.pass(4, 0);
    assert_eq!(life.revision.status.actual_scale, Some(2));
    life.revision.set_terminating("pod-0".to_owned());
    life.step();
    assert_eq!(life.revision.status.actual_scale, Some(1));
    assert_eq!(life.revision.snapshot(at(life.now)).pods.terminating, 1);
    life.revision.remove_pod("pod-0");
    assert_eq!(life.revision.snapshot(at(life.now)).pods.terminating, 0);
    life.revision.set_pod(pod(0, life.now, None));
    life.step();
    assert_eq!(life.revision.status.actual_scale, Some(2));
}

#[test]
fn a_snapshot_says_how_the_scaling_stands() {
    let mut life = life(&[(keys::TARGET, "10"), (keys::TARGET_UTILIZATION, "100")], 4);
    let before = life.revision.snapshot(at(0));
    assert_eq!((before.measured, before.desired, before.decision.is_none()), (None, None, true));
    assert_eq!((before.active, before.panicking), ("Activating", false));
    let stages = [Stage::Ready, Stage::Ready, Stage::Running, Stage::Pending, Stage::Unscheduled];
    let staged = |(number, stage)| PodView { stage, ..pod(number, 0, None) };
    let mut pods: Vec<PodView> = (0..).zip(stages).map(staged).collect();
    pods[1].marked = Some(at(0));
    life.revision.set_pods(pods);
    life.revision.set_terminating("pod-9".to_owned());
    life.now += 1000;
    life.seconds = 25.0;
    life.report(20, 5, 0);
    life.revision.step(now(life.now));
    let seen = life.revision.snapshot(at(life.now));
    assert_eq!(
        seen.pods,
        snapshot::Pods { ready: 2, not_ready: 1, pending: 2, draining: 1, terminating: 1 }
    );
    assert_eq!(seen.measured.map(|measured| (measured.stable, measured.panic)), Some((25.0, 25.0)));
    assert_eq!((seen.metric, seen.target), ("concurrency", 10.0));
    assert_eq!((seen.stable_window_seconds, seen.panic_window_seconds), (60, 6));
    assert_eq!((seen.desired, seen.requested, seen.replicas), (Some(3), Some(3), Some(4)));
    let decision = seen.decision.expect("it was decided");
    assert_eq!((decision.from, decision.to), (4, 3));
    assert_eq!((seen.active, seen.active_since), ("Active", at(1000)));
    let load = [snapshot::ActivatorLoad { activator: "a".to_owned(), in_flight: 20, queued: 5 }];
    assert_eq!(seen.load, load);
    assert_eq!(life.revision.changes().count(), 0);
}

#[test]
fn a_mark_of_an_earlier_autoscaler_goes_when_requests_come() {
    let (pa, spec) = scaling(&[]);
    let key = ObjectKey::new("models", "digits-00001");
    let mut revision = Revision::new(key, &pa, spec, true, now(0));
    revision.set_replicas(Some(1));
    revision.set_pods(vec![pod(0, 0, Some(at(-1000)))]);
    let waiting = Present { queued: 1, ..Present::default() };
    revision.set_present("a".to_owned(), waiting);
    assert_eq!(revision.step(now(100)).drain.unmark, ["pod-0"]);
}

#[test]
fn requests_wait_though_no_pod_will_stay_for_them() {
    let mark = Some(at(0));
    // Waiting requests, the number wanted, the scale, marks of the pods.
    type Row<'a> = (u32, Option<u32>, Option<u32>, &'a [Option<Timestamp>], bool);
    let rows: [Row<'_>; 9] = [
        (0, Some(0), Some(0), &[], false),
        (1, Some(1), Some(1), &[None], false),
        (1, Some(0), Some(1), &[None], true),
        (1, Some(1), Some(0), &[None], true),
        (1, Some(1), Some(1), &[], false),
        (1, Some(1), Some(1), &[mark], true),
        (1, Some(2), Some(2), &[mark, None], false),
        (1, None, None, &[], false),
        (1, None, Some(0), &[], true),
    ];
    for (queued, want, replicas, marks, asleep) in rows {
        let mut life = life(&[], 1);
        life.step();
        life.revision.decided = want.map(|want| {
            let decided = life.revision.decided.clone().expect("a pod was ready");
            Decided { want, ..decided }
        });
        life.revision.set_replicas(replicas);
        life.revision.set_pods((0..).zip(marks).map(|(n, mark)| pod(n, 0, *mark)).collect());
        life.revision.set_present("a".to_owned(), Present { queued, ..Present::default() });
        let found = life.revision.is_asleep_under_load();
        assert_eq!(found, asleep, "{queued} {want:?} {replicas:?} {marks:?}");
    }
}

#[test]
fn without_pods_silence_is_no_measurement() {
    let mut life = life(&[], 0);
    life.pass(4, 0);
    assert!(life.revision.decided.is_none());
    life.report(0, 3, 0);
    life.revision.step(now(life.now));
    assert!(life.revision.decided.as_ref().is_some_and(|decided| decided.woken));
    life.revision.set_pods(vec![pod(0, life.now, None)]);
    life.now += 2000;
    life.report(0, 3, 0);
    life.revision.step(now(life.now));
    assert!(life.revision.decided.as_ref().is_some_and(|decided| !decided.woken));
    life.now += 2000;
    life.report(3, 0, 0);
    life.revision.set_pods(Vec::new());
    life.revision.step(now(life.now));
    assert!(life.revision.decided.as_ref().is_some_and(|decided| !decided.woken), "none waits");
}

#[test]
fn without_retention_the_last_pod_is_marked_when_the_revision_turns_inactive() {
    let mut life = life(&[(keys::WINDOW, "6s")], 1);
    life.pass(10, 1);
    for _ in 0..40 {
        life.now += 500;
        let step = life.revision.step(now(life.now));
        if life.revision.activity.state == scale::Active::NoTraffic {
            assert_eq!(step.drain.mark, ["pod-0"]);
            return;
        }
        assert_eq!(step.drain.mark, [""; 0]);
    }
    panic!("it never turned inactive");
}

/// The wall time can be set by hand, and goes on while the machine sleeps.
#[test]
fn a_jump_of_the_wall_time_changes_nothing_that_was_measured() {
    const HOUR: i64 = 3_600_000;
    for jump in [-24 * HOUR, 24 * HOUR] {
        let mut life = life(&[(keys::TARGET, "1"), (keys::TARGET_UTILIZATION, "100")], 4);
        life.pass(60, 4);
        assert_eq!(life.changed(), [], "{jump}");
        for tick in 1..=10 {
            let now = Moment { wall: at(life.now + jump), steady: at(life.now + tick * 2000) };
            let sample = Sample {
                span: Duration::from_secs(2),
                request_seconds: 8.0,
                arrivals: 0,
                present: Present { in_flight: 4, ..Present::default() },
                ..Sample::default()
            };
            life.revision.feed("a", sample, now);
            let step = life.revision.step(now);
            assert_eq!((step.drain.scale, step.drain.mark.len()), (None, 0), "{jump} {tick}");
            assert_eq!(step.again, Some(TICK), "{jump} {tick}");
        }
    }
}

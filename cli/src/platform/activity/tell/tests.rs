//! The lines of a service's life.

use rouse_api::podautoscaler::ScaleChange;
use serde_json::json;

use super::super::seen::Exit;
use super::*;

struct Life {
    teller: Teller,
    start: Instant,
    key: ObjectKey,
}

impl Life {
    fn new() -> Self {
        let key = ObjectKey::new("default", "hello");
        Self { teller: Teller::default(), start: Instant::now(), key }
    }

    fn at(&self, millis: u64) -> Now {
        Now { instant: self.start + Duration::from_millis(millis), time: Timestamp::UNIX_EPOCH }
    }

    fn service(&mut self, millis: u64, service: &SeenService) -> Option<String> {
        let now = self.at(millis);
        self.teller.service(&self.key, service, now).map(|line| line.text)
    }
}

fn target(revision: &str, percent: i64) -> TrafficTarget {
    TrafficTarget {
        revision_name: Some(revision.to_owned()),
        percent: Some(percent),
        ..TrafficTarget::default()
    }
}

fn starting(revision: &str) -> SeenService {
    let created = Some(revision.to_owned());
    SeenService { settled: true, created, ..SeenService::default() }
}

fn serving(latest: &str, traffic: &[(&str, i64)]) -> SeenService {
    SeenService {
        settled: true,
        ready: true,
        created: Some(latest.to_owned()),
        latest: Some(latest.to_owned()),
        url: "http://hello".to_owned(),
        traffic: traffic.iter().map(|(revision, percent)| target(revision, *percent)).collect(),
        ..SeenService::default()
    }
}

fn failing(revision: &str, failure: &str) -> SeenService {
    SeenService { failure: Some(failure.to_owned()), ..starting(revision) }
}

#[test]
fn a_deployment_is_told_when_it_begins_and_when_it_is_served() {
    let mut life = Life::new();
    assert_eq!(life.service(0, &SeenService::default()), None);
    assert_eq!(life.service(0, &starting("hello-1")).as_deref(), Some("deploying hello-1"));
    assert_eq!(life.service(100, &starting("hello-1")), None);
    let served = serving("hello-1", &[("hello-1", 100)]);
    let told = life.service(412, &served);
    assert_eq!(told.as_deref(), Some("deployed hello-1 in 412 ms: http://hello"));
    assert_eq!(life.service(500, &served), None, "told once");
    assert_eq!(life.teller.service_gone(&life.key.clone(), life.at(600)).text, "deleted");
}

#[test]
fn traffic_that_moves_is_told_and_a_way_back_is_called_so() {
    let mut life = Life::new();
    let now = life.at(0);
    life.teller.known(life.key.clone(), &serving("hello-2", &[("hello-2", 100)]), now);
    let mut told = |traffic: &[(&str, i64)]| life.service(0, &serving("hello-2", traffic));
    assert_eq!(told(&[("hello-2", 100)]), None);
    assert_eq!(told(&[("hello-2", 100), ("hello-1", 0)]), None, "the same shares");
    assert_eq!(told(&[("hello-1", 100)]).as_deref(), Some("rolled back to hello-1"));
    let split = told(&[("hello-1", 90), ("hello-2", 10)]);
    assert_eq!(split.as_deref(), Some("traffic: 90% hello-1, 10% hello-2"));
    let all = told(&[("hello-2", 100)]);
    assert_eq!(all.as_deref(), Some("all requests go to hello-2"));
}

#[test]
fn a_failure_is_told_once_it_lasts_and_so_is_its_end() {
    let mut life = Life::new();
    let bad = failing("hello-1", "RevisionFailed: Container failed with: it\nsecond line");
    assert_eq!(life.service(0, &bad).as_deref(), Some("deploying hello-1"));
    assert_eq!(life.service(10, &bad), None);
    assert_eq!(life.teller.due(), Some(life.start + Duration::from_millis(2010)));
    let early = life.at(1000);
    assert_eq!(life.teller.lasting(early), []);
    // A Route that is not ready for a moment is no news.
    assert_eq!(life.service(1200, &starting("hello-1")), None);
    assert_eq!(life.teller.due(), None);
    assert_eq!(life.service(1300, &bad), None);
    let late = life.at(3300);
    let lines: Vec<String> = life.teller.lasting(late).into_iter().map(|l| l.text).collect();
    assert_eq!(lines, ["failed: RevisionFailed: second line"]);
    assert_eq!(life.service(3400, &bad), None);
    assert_eq!(life.teller.due(), None, "told once");
    let served = serving("hello-1", &[("hello-1", 100)]);
    let told = life.service(4000, &served);
    assert_eq!(told.as_deref(), Some("deployed hello-1 in 4.0 s: http://hello"));
    life.service(5000, &bad);
    let late = life.at(7000);
    assert_eq!(life.teller.lasting(late).len(), 1);
    assert_eq!(life.service(8000, &served).as_deref(), Some("ready again"));
}

fn changed(from: i32, to: i32, reason: &str) -> ScaleChange {
    serde_json::from_value(json!({
        "time": "2026-01-01T00:00:00Z", "from": from, "to": to, "reason": reason, "message": "why",
        "stable": 0.0, "panic": 0.0, "target": 1.0, "ready": 0, "queued": 0
    }))
    .unwrap()
}

fn scaler(changes: &[ScaleChange]) -> SeenScaler {
    SeenScaler { service: "hello".to_owned(), changes: changes.to_vec() }
}

#[test]
fn new_changes_of_scale_are_told_in_their_order() {
    let life = Life::new();
    let (woken, up, zero) =
        (changed(0, 1, "Woken"), changed(1, 3, "Panic"), changed(3, 0, "StableWindowEmpty"));
    let told = |old: &[ScaleChange], new: &[ScaleChange]| -> Vec<String> {
        let key = ObjectKey::new("default", "hello-1");
        let lines = life.teller.scale(&key, &scaler(old), &scaler(new), life.at(0));
        lines.into_iter().map(|line| line.text).collect()
    };
    assert_eq!(told(&[], std::slice::from_ref(&woken)), [] as [&str; 0]);
    assert_eq!(told(&[], std::slice::from_ref(&zero)), ["hello-1 scaled to zero: why"]);
    let all = [zero.clone(), up.clone(), woken.clone()];
    assert_eq!(
        told(std::slice::from_ref(&woken), &all),
        ["hello-1 scaled 1 → 3: why", "hello-1 scaled to zero: why"]
    );
    assert_eq!(told(&all, &all), [] as [&str; 0]);
    // The oldest ones fall off.
    assert_eq!(told(&[up, woken], &[zero, changed(1, 3, "Panic")]).len(), 1);
}

fn pod(ready: bool, exits: &[Exit]) -> SeenPod {
    SeenPod {
        service: "hello".to_owned(),
        revision: "hello-1".to_owned(),
        ready,
        ending: false,
        exits: exits.to_vec(),
    }
}

#[test]
fn a_wake_takes_from_the_scale_to_the_first_ready_pod() {
    let mut life = Life::new();
    let key = ObjectKey::new("demo", "hello-1-x");
    let scale = |replicas| SeenDeployment { revision: "hello-1".to_owned(), replicas };
    let (early, late) = (life.at(100), life.at(109));
    life.teller.deployment("demo", &scale(0), &scale(1), early);
    assert_eq!(life.teller.pod(&key, None, &pod(false, &[]), early), []);
    let lines = life.teller.pod(&key, Some(&pod(false, &[])), &pod(true, &[]), late);
    let told: Vec<_> = lines.iter().map(|l| (l.about.as_str(), l.text.as_str())).collect();
    assert_eq!(told, [("demo/hello", "hello-1 woke in 9 ms")]);
    // The pods of a service that is awake are no wake.
    assert_eq!(life.teller.pod(&key, None, &pod(true, &[]), late), []);
    life.teller.deployment("demo", &scale(0), &scale(1), early);
    life.teller.deployment("demo", &scale(1), &scale(0), early);
    assert_eq!(life.teller.pod(&key, None, &pod(true, &[]), late), []);
}

#[test]
fn a_container_that_ends_is_told_once_a_run_unless_its_pod_is_deleted() {
    let mut life = Life::new();
    let key = ObjectKey::new("default", "p");
    let exit = |second: i64, reason: &str| Exit {
        container: "c".to_owned(),
        code: 137,
        reason: reason.to_owned(),
        at: Timestamp::from_second(second).ok(),
    };
    let now = life.at(0);
    let mut told = |old: &SeenPod, new: &SeenPod| -> Vec<String> {
        let lines = life.teller.pod(&key, Some(old), new, now);
        assert!(lines.iter().all(|line| line.crash.is_some()));
        lines.into_iter().map(|line| line.text).collect()
    };
    let (first, second) = (pod(false, &[exit(1, "OOMKilled")]), pod(false, &[exit(2, "Error")]));
    assert_eq!(
        told(&pod(true, &[]), &first),
        ["container c of pod p ended with code 137 (OOMKilled)"]
    );
    assert_eq!(told(&first, &first), [] as [&str; 0]);
    assert_eq!(told(&first, &second), ["container c of pod p ended with code 137"]);
    let deleted = SeenPod { ending: true, ..pod(false, &[exit(3, "Error")]) };
    assert_eq!(told(&second, &deleted), [] as [&str; 0]);
}

//! A revision shared by requests and the directory: slots, waiting requests, urgent reports.

use super::*;
use futures::FutureExt;

fn revision() -> (Arc<Revision>, Arc<ReportSignal>) {
    let signal = Arc::new(ReportSignal::default());
    let key = ObjectKey::new("default", "hello-00001");
    (Arc::new(Revision::new(key, Arc::clone(&signal), 1)), signal)
}

fn settings(concurrency: u32) -> Arc<Settings> {
    Arc::new(Settings { concurrency, queue_limit: 5, ..Settings::default() })
}

/// A revision that lets one request into each of its pods at a time.
fn one_by_one(pods: &[&Arc<Pod>]) -> (Arc<Revision>, Arc<ReportSignal>) {
    let (revision, signal) = revision();
    revision.configure(settings(1));
    for pod in pods {
        revision.place(pod, Place::Usable);
    }
    (revision, signal)
}

fn pod(name: &str) -> Arc<Pod> {
    Arc::new(Pod::named(name))
}

fn slot(revision: &Arc<Revision>) -> Slot {
    match revision.admit(Attempt::First).expect("there is room") {
        Admitted::Slot(slot) => slot,
        Admitted::Queued(_) => panic!("no pod is free"),
    }
}

fn queued(revision: &Arc<Revision>) -> Queued<'_> {
    match revision.admit(Attempt::First).expect("there is room") {
        Admitted::Slot(_) => panic!("a pod is free"),
        Admitted::Queued(queued) => queued,
    }
}

/// The slot that a queued request has been granted, if any.
fn granted(queued: &mut Queued<'_>) -> Option<Slot> {
    queued.now_or_never().map(|slot| slot.expect("the revision is there"))
}

/// Whether a report was asked for since the last call.
fn is_urgent(signal: &ReportSignal) -> bool {
    signal.notified().now_or_never().is_some()
}

/// Requests in pods, and requests that wait.
fn load(revision: &Revision) -> (u32, u32) {
    let status = revision.status();
    (status.in_flight, status.queued)
}

#[test]
fn a_released_slot_goes_to_the_next_waiting_request() {
    let (revision, _) = one_by_one(&[&pod("a")]);
    let first = slot(&revision);
    let (mut second, mut third) = (queued(&revision), queued(&revision));
    assert!(granted(&mut second).is_none());
    assert_eq!(load(&revision), (1, 2));
    drop(first);
    let slot = granted(&mut second).expect("its turn came");
    assert_eq!(slot.names(), (ObjectKey::new("default", "hello-00001"), "a".to_owned()));
    assert!(granted(&mut third).is_none());
    drop(slot);
    drop(granted(&mut third).expect("its turn came"));
    assert_eq!(load(&revision), (0, 0));
}

#[test]
fn a_request_that_goes_away_gives_up_its_place_or_the_slot_granted_meanwhile() {
    let (revision, _) = one_by_one(&[&pod("a")]);
    let first = slot(&revision);
    drop(queued(&revision));
    assert_eq!(load(&revision), (1, 0));
    let (second, mut third) = (queued(&revision), queued(&revision));
    // The second is granted the slot and does not take it any more.
    drop(first);
    drop(second);
    assert!(granted(&mut third).is_some());
}

#[test]
fn a_new_pod_or_a_higher_limit_admits_waiting_requests() {
    let (revision, _) = one_by_one(&[]);
    let mut first = queued(&revision);
    let mut second = queued(&revision);
    revision.place(&pod("a"), Place::Usable);
    let _slot = granted(&mut first).expect("there is a pod");
    assert!(granted(&mut second).is_none());
    revision.configure(settings(2));
    assert!(granted(&mut second).is_some());
}

#[test]
fn a_revision_with_a_full_queue_refuses_requests() {
    let (revision, _) = one_by_one(&[]);
    let _waiting: Vec<_> = (0..5).map(|_| queued(&revision)).collect();
    let refused = revision.admit(Attempt::First).err().expect("it is full");
    assert!(matches!(refused, Refused::QueueFull { limit: 5, .. }));
}

#[test]
fn a_deleted_revision_refuses_waiting_requests() {
    let (revision, _) = one_by_one(&[]);
    let waiting = queued(&revision);
    revision.forget();
    let refused = waiting.now_or_never().expect("it is told").expect_err("there is none");
    assert!(matches!(refused, Refused::RevisionMissing { .. }));
    assert!(revision.settings.load().is_none());
    assert_eq!(load(&revision), (0, 0));
}

#[test]
fn an_unreachable_pod_leaves_the_rotation_once() {
    let (a, b) = (pod("a"), pod("b"));
    let (revision, _) = one_by_one(&[&a, &b]);
    assert_eq!([revision.suspect(&a), revision.suspect(&a)], [true, false]);
    assert_eq!(revision.status().pods, 1);
    assert_eq!(slot(&revision).pod.name, "b");
}

#[test]
fn a_request_that_got_no_slot_in_time_is_told_why() {
    let (revision, _) = one_by_one(&[]);
    let why = || revision.not_in_time(Duration::from_secs(3));
    let cause = || match why() {
        Refused::NotReadyInTime { cause, .. } => cause,
        other => panic!("{other}"),
    };
    assert_eq!(cause(), None);
    let trouble = |text: &str| Some(text.to_owned());
    let failed = Settings { trouble: trouble("of the revision"), ..Settings::default() };
    revision.configure(Arc::new(failed));
    assert_eq!(cause(), trouble("of the revision"));
    revision.trouble.store(trouble("of a pod").map(Arc::new));
    assert_eq!(cause(), trouble("of a pod"));
    revision.place(&pod("a"), Place::Usable);
    assert!(matches!(why(), Refused::NoSlotInTime { .. }), "there is a pod");
}

#[test]
fn a_report_is_made_at_once_of_what_the_autoscaler_has_to_answer() {
    let (a, b) = (pod("a"), pod("b"));
    let (revision, signal) = revision();
    let placed = |pod, place| {
        revision.place(pod, place);
        is_urgent(&signal)
    };
    assert!(!placed(&a, Place::Usable));
    assert!(!placed(&b, Place::Usable));
    assert!(placed(&b, Place::Draining), "a mark is answered");
    assert!(!placed(&b, Place::Out));
    assert!(!placed(&a, Place::Out), "nobody waits");
    let waiting = queued(&revision);
    assert!(is_urgent(&signal), "the first that finds no pod");
    assert!(placed(&b, Place::Out), "it still has none");
    assert!(!placed(&a, Place::Usable), "it has one");
    drop(waiting);
}

#[test]
fn the_end_of_the_last_request_in_a_draining_pod_is_reported_at_once() {
    let a = pod("a");
    let (revision, signal) = one_by_one(&[&a]);
    drop(slot(&revision));
    assert!(!is_urgent(&signal));
    let last = slot(&revision);
    revision.place(&a, Place::Draining);
    assert!(is_urgent(&signal));
    drop(last);
    assert!(is_urgent(&signal));
}

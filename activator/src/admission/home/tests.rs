//! Slots and the queue of one revision.

use super::*;

fn home(limit: u32, names: &[&str]) -> (Home<u32>, Vec<Arc<Pod>>) {
    let now = Instant::now();
    let mut home = Home::new(now);
    home.configure(limit, 3);
    let pods: Vec<_> = names.iter().map(|name| Arc::new(Pod::named(name))).collect();
    for pod in &pods {
        home.place(pod, Place::Usable);
    }
    (home, pods)
}

fn admit(home: &mut Home<u32>, who: u32) -> String {
    match home.admit(|| who, Attempt::First, Instant::now()) {
        Admission::Go(pod) => pod.name.clone(),
        Admission::Wait { .. } => "wait".to_owned(),
        Admission::Full { limit } => format!("full at {limit}"),
    }
}

#[test]
fn the_limit_holds_per_pod_and_the_rest_waits_up_to_the_bound() {
    let (mut home, _) = home(2, &["a", "b"]);
    let seen: Vec<_> = (0..8).map(|who| admit(&mut home, who)).collect();
    assert_eq!(seen, ["a", "b", "a", "b", "wait", "wait", "wait", "full at 3"]);
    assert_eq!(home.counts.in_flight, 4);
    assert_eq!(home.counts.queued, 3);
}

#[test]
fn a_freed_slot_goes_to_whoever_waited_longest() {
    let (mut home, pods) = home(1, &["a"]);
    for who in 0..3 {
        admit(&mut home, who);
    }
    let now = Instant::now();
    assert!(home.next_grant(now).is_none());
    home.release(&pods[0], now, now);
    // A new request may not overtake the queue, though a slot is free at this moment.
    assert_eq!(admit(&mut home, 9), "wait");
    let (who, pod) = home.next_grant(now).expect("a slot is free");
    assert_eq!((who, pod.name.as_str()), (1, "a"));
    assert!(home.next_grant(now).is_none());
}

#[test]
fn a_draining_pod_gets_nothing_new_and_says_when_it_is_empty() {
    let (mut home, pods) = home(0, &["a", "b"]);
    assert_eq!(admit(&mut home, 0), "a");
    home.place(&pods[0], Place::Draining);
    assert_eq!(admit(&mut home, 1), "b");
    assert_eq!(admit(&mut home, 2), "b");
    let now = Instant::now();
    assert!(!home.release(&pods[1], now, now));
    assert!(!home.release(&pods[1], now, now), "it is empty and does not drain");
    assert!(home.release(&pods[0], now, now));
}

#[test]
fn a_draining_pod_is_empty_only_with_its_last_request() {
    let (mut home, pods) = home(0, &["a"]);
    admit(&mut home, 0);
    admit(&mut home, 1);
    home.place(&pods[0], Place::Draining);
    let now = Instant::now();
    assert_eq!([home.release(&pods[0], now, now), home.release(&pods[0], now, now)], [false, true]);
}

#[test]
fn a_request_that_gives_up_is_counted_out_once() {
    let (mut home, _) = home(0, &[]);
    let now = Instant::now();
    let Admission::Wait { ticket, .. } = home.admit(|| 7, Attempt::First, now) else {
        panic!("there is no pod");
    };
    assert!(home.abandon(ticket, now));
    assert!(!home.abandon(ticket, now));
    assert_eq!((home.counts.queued, home.waiting()), (0, 0));
}

#[test]
fn a_crowd_at_zero_is_urgent_in_doubling_steps() {
    let mut home = Home::new(Instant::now());
    let urgent: Vec<usize> = (1..=9)
        .filter(|_| {
            let admission = home.admit(|| 0, Attempt::First, Instant::now());
            matches!(admission, Admission::Wait { urgent: true, .. })
        })
        .collect();
    assert_eq!(urgent, [1, 2, 4, 8]);
}

#[test]
fn a_request_that_lost_its_pod_goes_first_whatever_the_bound_and_is_urgent() {
    let (mut home, pods) = home(1, &["a"]);
    for who in 0..4 {
        admit(&mut home, who);
    }
    assert_eq!(home.waiting(), 3, "as many as may wait");
    assert!(home.suspect(&pods[0]));
    let now = Instant::now();
    home.release(&pods[0], now, now);
    let again = home.admit(|| 9, Attempt::Again, now);
    assert!(matches!(again, Admission::Wait { urgent: true, .. }));
    assert_eq!(home.counts.arrivals, 4, "it came once");
    home.place(&pods[0], Place::Usable);
    assert_eq!(home.next_grant(now).map(|(who, _)| who), Some(9));
    assert_eq!((home.counts.in_flight, home.counts.queued), (1, 3));
}

#[test]
fn a_pod_that_is_out_is_neither_used_nor_drained() {
    let (mut home, pods) = home(0, &["a", "b"]);
    home.place(&pods[0], Place::Draining);
    home.place(&pods[0], Place::Out);
    assert_eq!((home.usable(), home.draining().len()), (1, 0));
    home.place(&pods[1], Place::Usable);
    assert_eq!(home.usable(), 1, "a pod is there once");
    home.place(&pods[1], Place::Out);
    assert_eq!(home.usable(), 0);
}

#[test]
fn all_waiting_requests_can_be_turned_away() {
    let (mut home, _) = home(0, &[]);
    for who in 0..3 {
        admit(&mut home, who);
    }
    assert_eq!(home.dismiss(Instant::now()), [0, 1, 2]);
    assert_eq!((home.counts.queued, home.waiting()), (0, 0));
}

#[test]
fn waiting_for_a_busy_pod_is_not_urgent() {
    let (mut home, _) = home(1, &["a"]);
    admit(&mut home, 0);
    let admission = home.admit(|| 1, Attempt::First, Instant::now());
    assert!(matches!(admission, Admission::Wait { urgent: false, .. }));
}

#[test]
fn an_unreachable_pod_is_taken_out_once() {
    let (mut home, pods) = home(0, &["a"]);
    assert!(home.suspect(&pods[0]));
    assert!(!home.suspect(&pods[0]));
    assert_eq!(admit(&mut home, 1), "wait");
}

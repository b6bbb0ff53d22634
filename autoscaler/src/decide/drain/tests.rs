//! Which pods are chosen, and when the scale falls.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + second).unwrap()
}

fn pod(name: &str, age: i64) -> PodView {
    PodView {
        name: name.to_owned(),
        stage: Stage::Ready,
        since: at(-age),
        marked: None,
        grace: Duration::from_secs(300),
    }
}

fn marked(name: &str, age: i64, ago: i64) -> PodView {
    PodView { marked: Some(at(-ago)), ..pod(name, age) }
}

fn empty(_: &PodView) -> Load {
    Load::Empty
}

fn busy(_: &PodView) -> Load {
    Load::Busy
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_youngest_go_and_before_them_those_that_are_not_ready() {
    let at_stage = |name: &str, stage| PodView { stage, ..pod(name, 50) };
    let pods = [
        pod("old", 90),
        pod("young", 10),
        at_stage("failing", Stage::Running),
        at_stage("starting", Stage::Pending),
        at_stage("unscheduled", Stage::Unscheduled),
    ];
    let plan = plan(5, 1, &pods, busy, at(0));
    assert_eq!(plan.mark, names(&["unscheduled", "starting", "failing", "young"]));
    assert_eq!(plan.scale, None);
}

#[test]
fn an_idle_pod_goes_before_a_busy_one_however_old() {
    let pods = [pod("oldest", 90), pod("older", 80), pod("young", 10), pod("youngest", 5)];
    let old_are_idle =
        |pod: &PodView| if pod.name.starts_with("old") { Load::Empty } else { Load::Busy };
    for (want, mark) in
        [(3, &["older"][..]), (2, &["older", "oldest"]), (1, &["older", "oldest", "youngest"])]
    {
        assert_eq!(plan(4, want, &pods, old_are_idle, at(0)).mark, names(mark), "to {want}");
    }
}

#[test]
fn an_idle_pod_does_not_go_before_one_that_kubernetes_would_delete_first() {
    let failing = PodView { stage: Stage::Running, ..pod("failing", 90) };
    let failing_is_busy =
        |pod: &PodView| if pod.name == "failing" { Load::Busy } else { Load::Empty };
    let plan = plan(2, 1, &[pod("idle", 10), failing], failing_is_busy, at(0));
    assert_eq!(plan.mark, names(&["failing"]));
}

#[test]
fn of_several_marks_the_busy_pods_lose_theirs_first() {
    let pods = [pod("keeps", 90), marked("idle", 20, 3), marked("busy", 10, 3)];
    let one_is_busy = |pod: &PodView| if pod.name == "busy" { Load::Busy } else { Load::Empty };
    let plan = plan(3, 2, &pods, one_is_busy, at(0));
    assert_eq!((plan.unmark, plan.scale), (names(&["busy"]), Some(2)));
}

#[test]
fn the_scale_falls_when_the_marked_pods_are_empty() {
    let pods = [pod("old", 90), marked("young", 10, 3)];
    let waiting = plan(2, 1, &pods, busy, at(0));
    assert_eq!(waiting, DrainPlan { recheck: Some(at(297)), ..DrainPlan::default() });
    assert_eq!(plan(2, 1, &pods, empty, at(0)).scale, Some(1));
}

#[test]
fn a_request_that_never_ends_holds_its_pod_only_so_long() {
    let pods = [pod("old", 90), marked("young", 10, 300)];
    assert_eq!(plan(2, 1, &pods, busy, at(0)).scale, Some(1));
}

#[test]
fn empty_pods_go_before_the_other_marked_pods_are_empty() {
    let pods = [pod("old", 90), marked("a", 20, 3), marked("b", 10, 3)];
    let only_a_is_empty = |pod: &PodView| if pod.name == "a" { Load::Empty } else { Load::Busy };
    let plan = plan(3, 1, &pods, only_a_is_empty, at(0));
    assert_eq!((plan.scale, plan.first), (Some(2), names(&["a"])));
}

#[test]
fn new_demand_removes_the_marks_before_pods_are_added() {
    let pods = [marked("old", 90, 3), marked("young", 10, 3)];
    let same = plan(2, 2, &pods, empty, at(0));
    assert_eq!((same.unmark, same.scale), (names(&["young", "old"]), None));
    let one = plan(2, 1, &pods, busy, at(0));
    assert_eq!(one.unmark, names(&["old"]));
    let more = plan(2, 3, &pods, empty, at(0));
    assert_eq!((more.unmark.len(), more.scale), (2, Some(3)));
}

#[test]
fn pods_that_wait_for_their_deletion_keep_their_marks() {
    let pods = [pod("old", 90), marked("young", 10, 3)];
    assert_eq!(plan(1, 1, &pods, empty, at(0)), DrainPlan::default());
}

#[test]
fn pods_that_do_not_exist_yet_need_no_drain() {
    assert_eq!(plan(3, 1, &[pod("old", 90)], busy, at(0)).scale, Some(1));
}

#[test]
fn pods_that_are_already_few_enough_lose_their_marks() {
    let pods = [marked("old", 90, 3), marked("young", 10, 3)];
    let plan = plan(3, 2, &pods, busy, at(0));
    assert_eq!((plan.unmark, plan.scale), (names(&["young", "old"]), Some(2)));
}

#[test]
fn none_is_put_first_while_the_scale_does_not_fall() {
    // A third pod is left over from an earlier, larger scale.
    let pods = [pod("old", 90), marked("a", 20, 3), marked("b", 10, 3)];
    let only_a_is_empty = |pod: &PodView| if pod.name == "a" { Load::Empty } else { Load::Busy };
    let plan = plan(2, 1, &pods, only_a_is_empty, at(0));
    assert_eq!((plan.scale, plan.first), (None, names(&[])));
}

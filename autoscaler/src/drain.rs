//! Which pods go, and when the scale may be lowered. Pure.
//!
//! Chosen pods are marked first; activators then send them nothing new and report what is still in
//! them. The scale falls when that is zero everywhere, or after the longest a request may take. New
//! demand removes the marks instead, which costs nothing.
//!
//! Idle pods go before busy ones. Kubernetes deletes pods that are not ready first, whatever they
//! cost, so they are chosen before idle ones even: mark and deletion must mean the same pods.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use jiff::Timestamp;

/// A pod that neither ended nor is being deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    pub name: String,
    pub stage: Stage,
    /// Since when it is ready, else when it was made.
    pub since: Timestamp,
    /// When it was marked as draining.
    pub marked: Option<Timestamp>,
    /// The longest that a request in it may take.
    pub grace: Duration,
}

/// How far a pod is. Kubernetes deletes the earlier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Unscheduled,
    Pending,
    /// But not ready.
    Running,
    Ready,
}

/// What to do about the pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DrainPlan {
    pub mark: Vec<String>,
    pub unmark: Vec<String>,
    /// Drained before others that are marked too: these must be deleted first.
    pub first: Vec<String>,
    /// The scale to write now.
    pub scale: Option<u32>,
    /// When a pod counts as drained whatever is in it.
    pub recheck: Option<Timestamp>,
}

/// What is in a pod, as far as activators said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    Empty,
    Busy,
}

/// Steps from `replicas` to `want`. For a pod that is marked `load` has to be sure; for another it
/// is a hint whom to choose.
pub fn plan(
    replicas: u32,
    want: u32,
    pods: &[PodView],
    load: impl Fn(&PodView) -> Load,
    now: Timestamp,
) -> DrainPlan {
    let alive = count(pods.len());
    let surplus = alive.saturating_sub(want);
    let mut marked: Vec<&PodView> = pods.iter().filter(|pod| pod.marked.is_some()).collect();
    marked.sort_by(|a, b| departure(a, b, &load));
    let keep = marked.len().min(surplus as usize);
    let unmark = marked.split_off(keep).into_iter().map(|pod| pod.name.clone()).collect();
    if want >= replicas {
        return DrainPlan {
            unmark,
            scale: (want > replicas).then_some(want),
            ..DrainPlan::default()
        };
    }
    if surplus == 0 {
        return DrainPlan { unmark, scale: Some(want), ..DrainPlan::default() };
    }
    let mark = choose(pods, surplus as usize - keep, &load);
    let gone = |pod: &&PodView| load(pod) == Load::Empty || deadline(pod).is_some_and(|d| d <= now);
    let (drained, busy): (Vec<&PodView>, Vec<&PodView>) = marked.into_iter().partition(gone);
    let left = alive - count(drained.len());
    let everything_gone = mark.is_empty() && busy.is_empty();
    let scale = if everything_gone { want } else { left.max(want) };
    let first = if everything_gone || scale >= replicas {
        Vec::new()
    } else {
        drained.iter().map(|pod| pod.name.clone()).collect()
    };
    DrainPlan {
        mark,
        unmark,
        first,
        scale: (scale < replicas).then_some(scale),
        recheck: busy.iter().filter_map(|pod| deadline(pod)).min(),
    }
}

/// When a marked pod is given up on.
fn deadline(pod: &PodView) -> Option<Timestamp> {
    pod.marked.map(|marked| marked + pod.grace)
}

/// The `many` unmarked pods that cost least to lose.
fn choose(pods: &[PodView], many: usize, load: impl Fn(&PodView) -> Load) -> Vec<String> {
    let mut candidates: Vec<&PodView> = pods.iter().filter(|pod| pod.marked.is_none()).collect();
    candidates.sort_by(|a, b| departure(a, b, &load));
    candidates.into_iter().take(many).map(|pod| pod.name.clone()).collect()
}

/// Who goes first: the one that is least far, the idle one, the youngest.
fn departure(a: &PodView, b: &PodView, load: impl Fn(&PodView) -> Load) -> Ordering {
    let rank = |pod: &PodView| (pod.stage, load(pod), Reverse(pod.since));
    rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
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
    fn those_that_are_empty_go_before_the_others_are() {
        let pods = [pod("old", 90), marked("a", 20, 3), marked("b", 10, 3)];
        let only_a_is_empty =
            |pod: &PodView| if pod.name == "a" { Load::Empty } else { Load::Busy };
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
}

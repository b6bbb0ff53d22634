//! Draining: which pods are removed, and when the scale may be lowered. Pure.
//!
//! Chosen pods are marked first; activators then send them no new requests and report those still
//! in them. The scale falls when there are none left, or after the longest a request may take. New
//! demand removes the marks instead, which costs nothing.
//!
//! Idle pods go before busy ones. Kubernetes deletes pods that are not ready first, whatever their
//! deletion cost, so they are chosen even before idle ones: the pods that are marked must be those
//! that are deleted.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use jiff::Timestamp;
use rouse_k8s::time::later;

/// A pod that neither ended nor is being deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    pub name: String,
    pub stage: Stage,
    /// Since when it is ready, else when it was created.
    pub since: Timestamp,
    /// When it was marked as draining.
    pub marked: Option<Timestamp>,
    /// The longest that a request in it may take.
    pub grace: Duration,
}

/// How far a pod has started. Kubernetes deletes pods of an earlier stage first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Unscheduled,
    Pending,
    /// Running, but not ready.
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
    /// When the next pod counts as drained whatever is in it.
    pub recheck: Option<Timestamp>,
}

/// Whether a pod has requests, as far as activators reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    Empty,
    Busy,
}

/// Steps from `replicas` to `want`. For a marked pod `load` has to be certain; for others it is a
/// hint which to choose.
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
    marked.sort_by(|a, b| removal_order(a, b, &load));
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

/// When a marked pod counts as drained whatever is in it.
fn deadline(pod: &PodView) -> Option<Timestamp> {
    pod.marked.map(|marked| later(marked, pod.grace))
}

/// The `many` unmarked pods that cost least to lose.
fn choose(pods: &[PodView], many: usize, load: impl Fn(&PodView) -> Load) -> Vec<String> {
    let mut candidates: Vec<&PodView> = pods.iter().filter(|pod| pod.marked.is_none()).collect();
    candidates.sort_by(|a, b| removal_order(a, b, &load));
    candidates.into_iter().take(many).map(|pod| pod.name.clone()).collect()
}

/// The order of removal: an earlier stage first, then idle pods, then the youngest.
fn removal_order(a: &PodView, b: &PodView, load: impl Fn(&PodView) -> Load) -> Ordering {
    let rank = |pod: &PodView| (pod.stage, load(pod), Reverse(pod.since));
    rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

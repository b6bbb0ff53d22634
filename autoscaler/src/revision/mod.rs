//! The state of one revision's scaling, and its next step. Sync, no IO.
//!
//! ```text
//! reports, pods, Deployment, PodAutoscaler  ->  Revision  ->  step(now): what to write
//! ```
//!
//! Each write is recorded here at once (`scaled`, `marked`): its watch event comes later, and a
//! decision must not be carried out twice.

mod instances;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use rouse_api::PodAutoscaler;
use rouse_api::annotations::Metric;
use rouse_api::podautoscaler::{PodAutoscalerStatus, ScaleChange};
use rouse_api::usage::{Existed, Instance};
use rouse_k8s::ObjectKey;
use rouse_k8s::time::{later, since};
use rouse_kit::Moment;

use crate::decide::delay::DelayWindow;
use crate::decide::drain::{self, DrainPlan, Load, PodView, Stage};
use crate::decide::explain::{self, Decided};
use crate::decide::kpa::{self, Mode, Observation};
use crate::decide::scale::{self, Activity, Target};
use crate::decide::spec::ScalingSpec;
use crate::decide::status;
use crate::load::{Present, Sample, Window};

use self::instances::Instances;
pub use self::snapshot::Snapshot;

/// How often a revision is decided on. Upstream: `tickInterval`.
pub const TICK: Duration = Duration::from_secs(2);
/// How long an activator may take to see a mark. One that does not report a marked pod by then has
/// no request in it.
const MARK_SEEN_WITHIN: Duration = Duration::from_secs(2);
/// Changes of scale kept in memory; the status keeps the newest of them.
const HISTORY_KEPT: usize = 200;

/// One revision.
#[derive(Debug)]
pub struct Revision {
    pub(crate) key: ObjectKey,
    pub(crate) deployment: String,
    generation: Option<i64>,
    spec: ScalingSpec,
    concurrency: Window,
    rps: Window,
    present: BTreeMap<String, Present>,
    pods: BTreeMap<String, PodView>,
    /// Pods that are being deleted, by name.
    terminating: BTreeSet<String>,
    instances: Instances,
    /// Pods came, went or became ready since `instances` counted.
    pods_changed: bool,
    /// The size of one pod.
    instance: Instance,
    /// The replicas that the Deployment asks for; `None` while unknown.
    replicas: Option<u32>,
    mode: Option<Mode>,
    delay: DelayWindow,
    decided: Option<Decided>,
    activity: Activity,
    initialized: bool,
    /// Newest first.
    history: VecDeque<ScaleChange>,
    status: PodAutoscalerStatus,
    /// In steady time.
    next_tick: Timestamp,
    decide_now: bool,
    /// Set if taken over from an earlier autoscaler: not lowered before a window has filled. In
    /// steady time.
    keep_until: Option<Timestamp>,
}

/// What a report calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing before the next tick.
    Nothing,
    /// Step at once with the present decision: a marked pod may be empty now.
    Look,
    /// Decide at once.
    Decide,
}

/// What to write, in this order: marks, scale, status.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    pub drain: DrainPlan,
    /// The change that `drain.scale` makes, for the record.
    pub change: Option<ScaleChange>,
    /// How long until the next step, without changes.
    pub again: Option<Duration>,
}

impl Revision {
    /// Takes over a PodAutoscaler. `recovered` if it existed before this autoscaler started.
    #[must_use]
    pub fn new(
        key: ObjectKey,
        pa: &PodAutoscaler,
        spec: ScalingSpec,
        recovered: bool,
        now: Moment,
    ) -> Self {
        let status = pa.status.clone().unwrap_or_default();
        let keep_until = recovered.then(|| later(now.steady, spec.stable_window()));
        Self {
            key,
            deployment: pa.spec.scale_target_ref.name.clone(),
            generation: pa.metadata.generation,
            spec,
            concurrency: Window::default(),
            rps: Window::default(),
            present: BTreeMap::new(),
            pods: BTreeMap::new(),
            terminating: BTreeSet::new(),
            instances: Instances::new(now.steady),
            pods_changed: false,
            instance: Instance::default(),
            replicas: None,
            mode: None,
            delay: DelayWindow::default(),
            decided: None,
            activity: status::activity_of(&status, now.wall),
            initialized: status::was_initialized(&status),
            history: status.decisions.iter().cloned().collect(),
            status,
            next_tick: now.steady,
            decide_now: false,
            keep_until,
        }
    }

    /// The PodAutoscaler or a ConfigMap changed.
    pub fn set_spec(&mut self, pa: &PodAutoscaler, spec: ScalingSpec) {
        self.generation = pa.metadata.generation;
        self.deployment.clone_from(&pa.spec.scale_target_ref.name);
        self.spec = spec;
        self.decide_now = true;
    }

    pub fn set_replicas(&mut self, replicas: Option<u32>) {
        self.replicas = replicas;
    }

    pub fn set_instance(&mut self, instance: Instance) {
        self.instance = instance;
    }

    pub fn set_pod(&mut self, pod: PodView) {
        self.pods_changed = true;
        self.pods.insert(pod.name.clone(), pod);
    }

    /// A pod is being deleted, and no longer counts.
    pub fn set_terminating(&mut self, name: String) {
        self.pods_changed = true;
        self.pods.remove(&name);
        self.terminating.insert(name);
    }

    /// A pod is gone, or has ended.
    pub fn remove_pod(&mut self, name: &str) {
        self.pods_changed = true;
        self.pods.remove(name);
        self.terminating.remove(name);
    }

    pub fn set_pods(&mut self, pods: Vec<PodView>) {
        self.pods_changed = true;
        self.pods = pods.into_iter().map(|pod| (pod.name.clone(), pod)).collect();
    }

    /// The requests of an activator, reported before this revision was known.
    pub fn set_present(&mut self, activator: String, present: Present) {
        self.decide_now |= present.queued > 0;
        self.present.insert(activator, present);
    }

    /// Records one report's sample.
    #[expect(clippy::cast_precision_loss, reason = "requests between two reports")]
    pub fn feed(&mut self, activator: &str, sample: Sample, now: Moment) -> News {
        let Sample { span, request_seconds, arrivals, present, served: _ } = sample;
        let forget = self.spec.stable_window();
        self.concurrency.record(now.steady, span, request_seconds, forget);
        self.rps.record(now.steady, span, arrivals as f64, forget);
        let before = self.load();
        self.present.insert(activator.to_owned(), present);
        let capacity = f64::from(self.replicas.unwrap_or(0)) * self.spec.decider.total;
        let outgrown = f64::from(before) <= capacity && f64::from(self.load()) > capacity;
        if outgrown || self.is_asleep_under_load() {
            self.decide_now = true;
            return News::Decide;
        }
        if self.pods.values().any(|pod| pod.marked.is_some()) { News::Look } else { News::Nothing }
    }

    /// Requests wait, and no pod is on its way or will stay for them.
    fn is_asleep_under_load(&self) -> bool {
        let staying = self.pods.values().any(|pod| pod.marked.is_none());
        let wanted = self.decided.as_ref().is_none_or(|decided| decided.want > 0);
        let asked = self.replicas.is_none_or(|replicas| replicas > 0);
        self.queued() > 0 && !(wanted && asked && (staying || self.pods.is_empty()))
    }

    fn queued(&self) -> u32 {
        total(self.present.values().map(|present| present.queued))
    }

    /// Present requests, waiting or in pods.
    fn load(&self) -> u32 {
        total(self.present.values().flat_map(|present| [present.in_flight, present.queued]))
    }

    fn ready(&self) -> u32 {
        u32::try_from(self.pods.values().filter(|pod| pod.stage == Stage::Ready).count())
            .unwrap_or(u32::MAX)
    }

    /// How long its pods existed since this was asked before.
    pub fn take_existed(&mut self, now: Moment) -> Existed {
        self.count_instances(now.steady);
        self.instances.take()
    }

    /// The size of one of its pods, and how many are kept.
    #[must_use]
    pub fn instance(&self) -> Instance {
        Instance { min_scale: self.spec.min, ..self.instance.clone() }
    }

    /// Called when a ledger asks, and after a change of pods: in between, the same pods exist.
    fn count_instances(&mut self, now: Timestamp) {
        self.pods_changed = false;
        let pods = self.pods.values();
        let began = pods.filter(|pod| pod.stage >= Stage::Running);
        let began = began.map(|pod| (pod.name.as_str(), pod.stage == Stage::Ready));
        let ending = self.terminating.iter().map(|name| (name.as_str(), true));
        self.instances.advance(began.chain(ending), now);
    }

    /// Decides, if it is time, and returns what to write. Called after every change.
    pub fn step(&mut self, now: Moment) -> Step {
        if self.pods_changed {
            self.count_instances(now.steady);
        }
        if now.steady >= self.next_tick || self.decide_now {
            if now.steady >= self.next_tick {
                self.next_tick = later(now.steady, TICK);
            }
            self.decide_now = false;
            self.decide(now.steady);
        }
        let target = self.target(now.wall);
        let mut step = self.follow(target, now);
        let tick = since(now.steady, self.next_tick);
        let recheck = target.recheck.map(|at| since(now.wall, at));
        let next = [Some(tick), recheck, step.again].into_iter().flatten();
        step.again = next.filter(|pause| !pause.is_zero()).min();
        step
    }

    fn decide(&mut self, now: Timestamp) {
        let ready = self.ready();
        let forget = self.spec.stable_window();
        if ready > 0 {
            // While there are ready pods, no report means no load.
            self.concurrency.record(now, Duration::ZERO, 0.0, forget);
            self.rps.record(now, Duration::ZERO, 0.0, forget);
        }
        let mode = *self.mode.get_or_insert_with(|| Mode::initial(ready, now));
        let Some(seen) = self.observe(ready, now) else { return };
        let decision = kpa::decide(&self.spec.decider, mode, &seen, now);
        self.mode = Some(decision.mode);
        let want = if self.spec.decider.reachable {
            self.delay.record(self.spec.scale_down_delay, now, decision.want)
        } else {
            decision.want
        };
        let queued = self.queued();
        let woken = queued > 0 && ready == 0;
        tracing::debug!(
            revision = %self.key, want, ready, queued, stable = seen.stable, panic = seen.panic,
            reason = %decision.why, "decided"
        );
        self.decided = Some(Decided { decision, seen, queued, want, woken });
    }

    /// The averages; `None` if nothing was measured.
    fn observe(&self, ready: u32, now: Timestamp) -> Option<Observation> {
        let window = match self.spec.metric {
            Metric::Concurrency => &self.concurrency,
            Metric::Rps => &self.rps,
        };
        let how = self.spec.aggregation;
        let stable = window.average(now, self.spec.stable_window(), how);
        let panic = window.average(now, self.spec.panic_window, how).or(stable.map(|_| 0.0));
        let load = self.load();
        let staying =
            self.pods.values().any(|pod| pod.stage == Stage::Ready && pod.marked.is_none());
        if load == 0 || staying {
            return Some(Observation { ready, stable: stable?, panic: panic? });
        }
        // No ready pod stays for these requests: they count at once, whatever the averages say.
        let here = f64::from(load);
        let stable = stable.unwrap_or(0.0).max(here);
        Some(Observation { ready, stable, panic: panic.unwrap_or(0.0).max(here) })
    }

    /// The target scale; also updates whether the revision is active.
    fn target(&mut self, now: Timestamp) -> Target {
        let desired = self.decided.as_ref().map(|decided| decided.want);
        let ready = self.ready();
        let threshold = scale::active_threshold(&self.spec, self.initialized);
        self.initialized |= ready >= threshold;
        let before = self.activity.state;
        let mut target = scale::resolve(&self.spec, desired, self.activity, self.initialized, now);
        let state = scale::next_active(before, target.want, ready, threshold);
        self.activity = self.activity.becomes(state, now);
        if state.is_inactive() && !before.is_inactive() && !target.apply {
            // Inactive from now on: without a retention it may go to zero at once.
            target = scale::resolve(&self.spec, desired, self.activity, self.initialized, now);
        }
        target
    }

    /// Plans the step from the present scale to the target.
    fn follow(&self, target: Target, Moment { wall: now, steady }: Moment) -> Step {
        let (Some(replicas), Some(want), true) = (self.replicas, target.want, target.apply) else {
            return Step::default();
        };
        let kept = self.keep_until.filter(|until| *until > steady && want < replicas);
        if let Some(until) = kept {
            return Step { again: Some(since(steady, until)), ..Step::default() };
        }
        let pods: Vec<PodView> = self.pods.values().cloned().collect();
        let drain = drain::plan(replicas, want, &pods, |pod| self.load_of(pod, now), now);
        let change = drain.scale.map(|to| {
            explain::change((replicas, to), &target, self.decided.as_ref(), &self.spec, now)
        });
        // Until activators have had time to see a mark, a pod that they do not report may be busy.
        let marks = pods.iter().filter_map(|pod| pod.marked).map(|at| later(at, MARK_SEEN_WITHIN));
        let again = marks.filter(|at| *at > now).chain(drain.recheck).min();
        let again = again.map(|at| since(now, at));
        Step { drain, change, again }
    }

    fn load_of(&self, pod: &PodView, now: Timestamp) -> Load {
        let Some(marked) = pod.marked else { return self.load_before_mark(pod) };
        let silent_is_empty = later(marked, MARK_SEEN_WITHIN) <= now;
        let empty = |present: &Present| match present.draining.get(&pod.name) {
            Some(count) => *count == 0,
            None => silent_is_empty,
        };
        // Before its first report, an activator may have requests that are not known here.
        let heard = !self.present.is_empty() || silent_is_empty;
        if heard && self.present.values().all(empty) { Load::Empty } else { Load::Busy }
    }

    /// The load of an unmarked pod. It may be a second old, so it only serves to choose pods;
    /// whether a pod is empty is decided by reports after its mark.
    fn load_before_mark(&self, pod: &PodView) -> Load {
        let idle = |present: &Present| match &present.busy {
            Some(busy) => !busy.contains_key(&pod.name),
            None => false,
        };
        if self.present.values().all(idle) { Load::Empty } else { Load::Busy }
    }

    /// The scale was written.
    pub fn scaled(&mut self, to: u32, change: ScaleChange) {
        self.replicas = Some(to);
        self.history.push_front(change);
        self.history.truncate(HISTORY_KEPT);
    }

    /// A mark was written or removed.
    pub fn marked(&mut self, pod: &str, marked: Option<Timestamp>) {
        // Counts that were reported for an earlier mark do not apply to this one.
        for present in self.present.values_mut() {
            present.draining.remove(pod);
        }
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.marked = marked;
        }
    }

    /// The status to write, if it changed. `now` is wall time.
    pub fn status(&mut self, now: Timestamp) -> Option<PodAutoscalerStatus> {
        let desired = self.decided.as_ref().map(|decided| decided.want);
        let target = scale::resolve(&self.spec, desired, self.activity, self.initialized, now);
        let facts = status::Facts {
            generation: self.generation,
            activity: self.activity,
            initialized: self.initialized,
            want: target.want,
            ready: self.ready(),
            decisions: self.history.make_contiguous(),
        };
        let after = status::compute(&self.status, &facts, now);
        (after != self.status).then_some(after)
    }

    /// The status was written.
    pub fn reported(&mut self, status: PodAutoscalerStatus) {
        self.status = status;
    }
}

fn total(counts: impl Iterator<Item = u32>) -> u32 {
    counts.fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests;

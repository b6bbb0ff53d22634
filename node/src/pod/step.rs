//! The steps of a pod: each event changes its state and asks for effects.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use rouse_k8s::time::{later, seconds};
use rouse_kit::Moment;

use super::container::{Container, Role, Run};
use super::context::grace;
use super::context::spec_of;
use super::ending::{Ending, HALT_GRACE, Stage, Why, has_other_hook, pre_stop_sleep};
use super::event::{Effect, Event, Index, Note};
use super::state::PodState;
use crate::runtime::Signal;

/// The API's default for a deletion.
const DEFAULT_DELETION_GRACE_SECONDS: i64 = 30;

impl PodState {
    /// Applies one event. Nothing else changes the state.
    pub(crate) fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.take(event, now, &mut effects);
        for container in &mut self.containers {
            container.passed |= container.started;
        }
        self.advance(now, &mut effects);
        self.follow_conditions(now.wall);
        effects
    }

    fn take(&mut self, event: Event, now: Moment, out: &mut Vec<Effect>) {
        let pod = Arc::clone(&self.pod);
        match event {
            Event::Observed(pod) => self.observed(pod, now, out),
            Event::Gone => self.end(Why::Gone, Duration::ZERO, now, out),
            Event::Halt => self.end(Why::Halt, HALT_GRACE.min(grace(&pod)), now, out),
            Event::Tick => {}
            Event::Drained => {
                if let Some(ending) = &mut self.ending {
                    ending.drained();
                }
            }
            Event::ImageMissing(at) => {
                let context = self.context(&pod, at, now);
                self.containers[at].image_missing(context, out);
            }
            Event::Pulled { container: at, took, size } => {
                let context = self.context(&pod, at, now);
                self.containers[at].pulled((took, size), context, out);
            }
            Event::PullFailed { container: at, message } => {
                let context = self.context(&pod, at, now);
                self.containers[at].pull_failed(&message, context, out);
            }
            Event::Refused { container: at, reason, message } => {
                let context = self.context(&pod, at, now);
                self.containers[at].refused(reason, message, context, out);
            }
            Event::Started { container: at, mut run } => {
                self.ip = run.ip.or(self.ip);
                self.addresses.append(&mut run.addresses);
                let context = self.context(&pod, at, now);
                self.containers[at].started(run, context, out);
            }
            Event::StartFailed { container: at, message } => {
                let context = self.context(&pod, at, now);
                self.containers[at].start_failed(message, context, out);
            }
            Event::Exited { container: at, exit } => {
                let context = self.context(&pod, at, now);
                self.containers[at].exited(exit, context, out);
            }
            Event::Probed { container: at, kind, verdict, message } => {
                let context = self.context(&pod, at, now);
                self.containers[at].probed((kind, verdict), &message, context, out);
            }
            Event::Evict { message } => {
                if self.ending.is_none() {
                    let note = Note { warning: true, reason: "Evicted", message, container: None };
                    out.push(Effect::Note(note));
                    self.end(Why::Deleted, grace(&pod), now, out);
                }
            }
            Event::PortIgnored { container: at, message } => {
                let context = self.context(&pod, at, now);
                self.containers[at].port_ignored(message, context, out);
            }
        }
    }

    fn observed(&mut self, pod: Arc<Pod>, now: Moment, out: &mut Vec<Effect>) {
        self.pod = pod;
        let meta = &self.pod.metadata;
        if meta.deletion_timestamp.is_some() {
            let asked = meta.deletion_grace_period_seconds;
            let grace = seconds(asked.unwrap_or(DEFAULT_DELETION_GRACE_SECONDS));
            self.end(Why::Deleted, grace, now, out);
        }
    }

    /// Begins the end, or shortens it; never lengthens it.
    fn end(&mut self, why: Why, grace: Duration, now: Moment, out: &mut Vec<Effect>) {
        if let Some(ending) = &mut self.ending {
            ending.hurry(why, grace, now.steady);
            return;
        }
        // The longest sleep of the containers that run.
        let up = (0..self.containers.len()).filter(|at| self.containers[*at].is_up());
        let sleep = up.filter_map(|at| spec_of(&self.pod, at)).map(pre_stop_sleep).max();
        self.ending = Some(Ending::new(why, sleep.unwrap_or_default(), grace, now.steady));
        if why == Why::Deleted && !self.runs_nothing() {
            out.push(Effect::Drain);
        }
        for at in self.running() {
            let name = &self.containers[at].name;
            out.push(Effect::note("Killing", format!("Stopping container {name}"), at));
            if why == Why::Deleted && spec_of(&self.pod, at).is_some_and(has_other_hook) {
                let message =
                    "the preStop hook is not run: this node agent supports only sleep".to_owned();
                out.push(Effect::warning("FailedPreStopHook", message, at));
            }
        }
    }

    /// Takes the steps that are due.
    fn advance(&mut self, now: Moment, out: &mut Vec<Effect>) {
        if self.ending.is_some() {
            self.advance_ending(now.steady, out);
            return;
        }
        if self.done {
            return;
        }
        let pod = Arc::clone(&self.pod);
        for at in self.due() {
            let context = self.context(&pod, at, now);
            self.containers[at].advance(context, out);
        }
        if self.work_is_over() {
            self.end_sidecars(grace(&pod), now, out);
        }
    }

    /// Ends the sidecars of a pod whose app containers have all ended for good.
    fn end_sidecars(&mut self, grace: Duration, now: Moment, out: &mut Vec<Effect>) {
        for (at, container) in self.containers.iter_mut().enumerate() {
            if container.role == Role::Sidecar && !std::mem::replace(&mut container.signalled, true)
            {
                match &mut container.run {
                    Run::Running { kill_at, .. } => {
                        *kill_at = Some(later(now.steady, grace));
                        out.push(Effect::Signal(at, Signal::Term));
                    }
                    // It ended before, and is not needed again.
                    Run::Waiting { .. } => {
                        container.run = Run::Ended(container.last.take().unwrap_or_default());
                    }
                    Run::Launching | Run::Pulling => container.signalled = false,
                    Run::Ended(_) => {}
                }
            }
        }
    }

    fn advance_ending(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(mut ending) = self.ending else { return };
        let running = self.running();
        if ending.stage == Stage::Over {
            return;
        }
        if self.runs_nothing() {
            ending.stage = Stage::Over;
            self.ending = Some(ending);
            out.push(match ending.why {
                Why::Deleted => Effect::Finish,
                Why::Gone | Why::Halt => Effect::Forget,
            });
            return;
        }
        if ending.stage == Stage::PreStop && ending.term_at() <= now {
            // Readiness probes go on, as upstream; failed liveness probes change nothing any more.
            ending.terminate(now);
        }
        if ending.stage == Stage::Terminating {
            for at in self.next_to_end() {
                if !std::mem::replace(&mut self.containers[at].signalled, true) {
                    out.push(Effect::Signal(at, Signal::Term));
                }
            }
        }
        if ending.stage == Stage::Terminating && ending.kill_at <= now {
            ending.stage = Stage::Killed;
            out.extend(running.iter().map(|at| Effect::Signal(*at, Signal::Kill)));
        }
        self.ending = Some(ending);
    }

    /// The containers that SIGTERM is for: all others before the sidecars, which end in the reverse
    /// of their order.
    fn next_to_end(&self) -> Vec<Index> {
        let is_sidecar = |at: &Index| self.containers[*at].role == Role::Sidecar;
        let (sidecars, others): (Vec<Index>, Vec<Index>) =
            self.running().into_iter().partition(is_sidecar);
        let launching = |c: &Container| c.role != Role::Sidecar && c.is_up();
        if self.containers.iter().any(launching) {
            return others;
        }
        sidecars.into_iter().next_back().into_iter().collect()
    }

    /// Nothing runs, and nothing is being started.
    fn runs_nothing(&self) -> bool {
        let is_there = |run: &Run| matches!(run, Run::Launching | Run::Running { .. });
        !self.containers.iter().any(|container| is_there(&container.run))
    }

    fn running(&self) -> Vec<Index> {
        let all = 0..self.containers.len();
        all.filter(|at| matches!(self.containers[*at].run, Run::Running { .. })).collect()
    }
}

//! How a pod ends: `preStop` sleep, SIGTERM, SIGKILL when the grace is over, then no object.

use std::time::Duration;

use jiff::Timestamp;

use super::container::{note, warning};
use super::{Effect, Ending, Index, PodState, Run, Stage, Why};
use crate::runtime::Signal;

/// When the platform itself ends, pods do not get their whole grace: a laptop wants to shut down.
pub(super) const HALT_GRACE: Duration = Duration::from_secs(5);
/// As in the API, where nothing is said.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);
/// What a `preStop` hook that used up the grace leaves for SIGTERM, as upstream.
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl PodState {
    /// `terminationGracePeriodSeconds` of the spec.
    pub(super) fn grace(&self) -> Duration {
        let spec = self.pod.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.termination_grace_period_seconds);
        seconds.and_then(|s| s.try_into().ok()).map_or(DEFAULT_GRACE, Duration::from_secs)
    }

    /// Begins to end, or ends sooner than was begun; never later.
    pub(super) fn end(
        &mut self,
        why: Why,
        grace: Duration,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let kill_at = now + grace;
        if let Some(ending) = &mut self.ending {
            if ending.why == Why::Deleted {
                ending.why = why;
            }
            ending.kill_at = ending.kill_at.min(kill_at);
            ending.term_at = ending.term_at.min(ending.kill_at);
            return;
        }
        let sleep = match why {
            Why::Deleted => self.pre_stop_sleep().min(grace),
            Why::Gone | Why::Halt => Duration::ZERO,
        };
        let term_at = now + sleep;
        let kill_at = match why {
            Why::Deleted if !sleep.is_zero() && !grace.is_zero() => {
                kill_at.max(term_at + LEAST_GRACE)
            }
            Why::Deleted | Why::Gone | Why::Halt => kill_at,
        };
        self.ending = Some(Ending { why, term_at, kill_at, stage: Stage::PreStop });
        for at in 0..self.containers.len() {
            if let Run::Running { .. } = self.containers[at].run {
                let name = &self.containers[at].name;
                effects.push(note("Killing", format!("Stopping container {name}"), at));
                if why == Why::Deleted && self.has_other_hook(at) {
                    let message =
                        "the preStop hook is not run: this node agent only sleeps".to_owned();
                    effects.push(warning("FailedPreStopHook", message, at));
                }
            }
        }
    }

    fn has_other_hook(&self, at: Index) -> bool {
        let lifecycle = self.spec_of(at).and_then(|spec| spec.lifecycle.as_ref());
        let hook = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref());
        hook.is_some_and(|hook| hook.exec.is_some() || hook.http_get.is_some())
    }

    /// The longest `lifecycle.preStop.sleep` of the containers that run.
    fn pre_stop_sleep(&self) -> Duration {
        let running = (0..self.containers.len()).filter(|at| self.containers[*at].is_up());
        let sleeps = running.filter_map(|at| {
            let hook = self.spec_of(at)?.lifecycle.as_ref()?.pre_stop.as_ref()?;
            hook.sleep.as_ref()?.seconds.try_into().ok()
        });
        Duration::from_secs(sleeps.max().unwrap_or(0))
    }

    pub(super) fn advance_ending(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(mut ending) = self.ending else { return };
        let launching = self.containers.iter().any(|c| c.run == Run::Launching);
        let running = self.running();
        if ending.stage == Stage::Over {
            return;
        }
        if running.is_empty() && !launching {
            ending.stage = Stage::Over;
            self.ending = Some(ending);
            effects.push(match ending.why {
                Why::Deleted => Effect::Finish,
                Why::Gone | Why::Halt => Effect::Forget,
            });
            return;
        }
        if ending.stage == Stage::PreStop && ending.term_at <= now {
            ending.stage = Stage::Terminating;
            for at in &running {
                // Readiness goes on, as upstream; liveness has nothing left to say (see `probed`).
                effects.push(Effect::Signal(*at, Signal::Term));
            }
        }
        if ending.stage == Stage::Terminating && ending.kill_at <= now {
            ending.stage = Stage::Killed;
            for at in &running {
                effects.push(Effect::Signal(*at, Signal::Kill));
            }
        }
        self.ending = Some(ending);
    }

    /// A container that came up while its pod was ending.
    pub(super) fn term_late(&self, at: Index, effects: &mut Vec<Effect>) {
        match self.ending.map(|ending| ending.stage) {
            Some(Stage::Terminating) => effects.push(Effect::Signal(at, Signal::Term)),
            Some(Stage::Killed | Stage::Over) => effects.push(Effect::Signal(at, Signal::Kill)),
            Some(Stage::PreStop) | None => {}
        }
    }

    fn running(&self) -> Vec<Index> {
        let all = 0..self.containers.len();
        all.filter(|at| matches!(self.containers[*at].run, Run::Running { .. })).collect()
    }
}

//! One pod's worker: events go to the state machine, its effects are performed, and the status is
//! written.
//!
//! One status write is under way at a time; what changes meanwhile goes into the next one. While a
//! container starts the write waits a moment, so that a start that is soon over is one write: each
//! change of a pod's status is followed by one of its ReplicaSet, Deployment, Revision and Service.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::{mpsc, watch};

use super::effects::Effects;
use super::metrics::Measured;
use super::shared::Shared;
use super::status::StatusWriter;
use crate::pod::{Effect, Event, PodState};
use crate::spec::PodRef;

/// Queued events of one pod: a few per container.
const INBOX: usize = 64;

/// The object as last seen.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) pod: Arc<Pod>,
    pub(crate) gone: bool,
}

/// Follows one pod until nothing of it is left here.
pub(super) async fn run(shared: Arc<Shared>, mut seen: watch::Receiver<Seen>) {
    let first = seen.borrow_and_update().clone();
    let clock = shared.clock;
    let mut state = PodState::new(Arc::clone(&first.pod), clock.now());
    let pod = PodRef::of(&first.pod);
    let (inbox, mut events) = mpsc::channel(INBOX);
    let written = first.pod.status.clone();
    let entry = shared.live.enter(pod.clone());
    let mut measured = Measured::new(shared.metrics.clone(), &state);
    let mut status = StatusWriter::new(Arc::clone(&shared), pod.clone(), written);
    let halt = shared.halting.clone();
    let mut effects = Effects::new(shared, pod, inbox);
    let mut event = if first.gone { Event::Gone } else { Event::Observed(first.pod) };
    let mut halted = false;
    loop {
        let was_starting = state.is_starting();
        let mut over = false;
        measured.event(&event);
        for effect in state.step(event, clock.moment()) {
            measured.effect(&effect);
            match effect {
                Effect::Finish => {
                    status.finish(&state).await;
                    over = true;
                }
                Effect::Forget => over = true,
                effect => effects.perform(effect, &state),
            }
        }
        if over {
            effects.forget();
            return;
        }
        measured.state(&state);
        entry.update(&state);
        status.pace(was_starting, state.is_starting());
        event = loop {
            status.begin(&state);
            let wake = wakes_in(&state, clock.steady(), status.due_in(&state));
            tokio::select! {
                biased; // the end of the platform is checked first
                () = halt.cancelled(), if !halted => {
                    halted = true;
                    break Event::Halt;
                }
                // These first: verdicts on one run's probes come before the start of the next run.
                Some(event) = events.recv() => break event,
                Some(done) = effects.next() => break effects.take(done),
                changed = seen.changed() => match changed {
                    Ok(()) => {
                        let seen = seen.borrow_and_update().clone();
                        break if seen.gone { Event::Gone } else { Event::Observed(seen.pod) };
                    }
                    // The agent has ended, and the platform with it.
                    Err(_) => break Event::Halt,
                },
                () = status.done() => {}
                () = tokio::time::sleep(wake) => break Event::Tick,
            }
        };
    }
}

/// Time until the next step or write, if no event comes. `now` is steady time.
fn wakes_in(state: &PodState, now: jiff::Timestamp, write: Option<Duration>) -> Duration {
    /// Long enough to be never, short enough for any clock.
    const NEVER: Duration = Duration::from_secs(24 * 3600);
    let due = state.wake_at();
    let due = due.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    [due, write].into_iter().flatten().fold(NEVER, Duration::min)
}

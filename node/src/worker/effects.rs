//! Performs the effects that a pod asks for.
//!
//! Results of launches, pulls and containers come back by `next`; a task that panicked comes back
//! as a failure. Probes and other followers send to the inbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rouse_k8s::Backoff;
use rouse_kit::events::{self, Level, Notice};
use rouse_kit::{Task, TaskError};
use tokio::sync::{mpsc, oneshot};

use super::launch::{Launch, Outcome, Running};
use super::prober::Target;
use super::shared::Shared;
use super::{listening, logins, probes};
use crate::pod::{self, Effect, Event, Index, Note, PodState, ProbeKind, Run};
use crate::runtime::{ContainerRuntime, Exit, Signal};
use crate::spec::PodRef;

/// The pause before a signal that the runtime did not accept is sent again.
const SIGNAL_AGAIN: Backoff =
    Backoff::doubling(Duration::from_millis(500), Duration::from_secs(10));

/// One pod's effects, which end with this.
pub(super) struct Effects {
    shared: Arc<Shared>,
    pod: PodRef,
    inbox: mpsc::Sender<Event>,
    pending: FuturesUnordered<BoxFuture<'static, Done>>,
    followers: BTreeMap<(Index, Follower), Task<()>>,
    /// The last signal to each container, until its runtime accepts it.
    signals: BTreeMap<Index, Task<()>>,
}

/// A task that follows a running container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Follower {
    Probe(ProbeKind),
    Script,
    Listening,
    Volumes,
}

/// An effect that was performed.
pub(super) enum Done {
    Event(Event),
    Launched(Launch, Box<Running>),
}

impl Effects {
    pub(super) fn new(shared: Arc<Shared>, pod: PodRef, inbox: mpsc::Sender<Event>) -> Self {
        let (pending, followers) = (FuturesUnordered::new(), BTreeMap::new());
        Self { shared, pod, inbox, pending, followers, signals: BTreeMap::new() }
    }

    pub(super) fn perform(&mut self, effect: Effect, state: &PodState) {
        match effect {
            Effect::Launch(at) => self.launch(at, state),
            Effect::Pull(at) => self.pull(at, state),
            Effect::Probe(at, kind) => self.probe(at, kind, state),
            Effect::StopProbes(at) => self.followers.retain(|(of, _), _| *of != at),
            Effect::Drain => self.drain(state),
            Effect::Signal(at, signal) => self.signal(at, signal, state),
            Effect::Remove(id) => {
                let runtime = Arc::clone(&self.shared.runtime);
                self.shared.tasks.detached("removal", async move { runtime.remove(&id).await });
            }
            Effect::Note(note) => self.record(note, state),
            // Done by the worker itself.
            Effect::Finish | Effect::Forget => {}
        }
    }

    /// The next effect that has been performed; `None` while none is under way.
    pub(super) async fn next(&mut self) -> Option<Done> {
        self.pending.next().await
    }

    /// The event that results from an effect. A started container is followed from here on.
    pub(super) fn take(&mut self, done: Done) -> Event {
        match done {
            Done::Event(event) => event,
            Done::Launched(launch, running) => self.follow(launch, *running),
        }
    }

    fn launch(&mut self, at: Index, state: &PodState) {
        let Some(spec) = pod::spec_of(&state.pod, at).cloned() else { return };
        let launch = Launch {
            shared: Arc::clone(&self.shared),
            pod: Arc::clone(&state.pod),
            reference: self.pod.clone(),
            spec: Arc::new(spec),
            at,
            restarts: state.containers[at].restarts,
            grace: pod::grace(&state.pod),
        };
        let task = self.shared.tasks.attached("launch", launch.clone().run());
        self.pending.push(Box::pin(async move {
            match task.await {
                Ok(Outcome::Running(running)) => Done::Launched(launch, running),
                Ok(Outcome::Not(event)) => Done::Event(event),
                Err(error) => {
                    let message = failed("start", &error);
                    Done::Event(Event::StartFailed { container: at, message })
                }
            }
        }));
    }

    fn follow(&mut self, launch: Launch, running: Running) -> Event {
        let at = launch.at;
        let Running { run, exit, ready_after } = running;
        let tasks = &self.shared.tasks;
        let exit = tasks.attached("exit", exit);
        self.pending.push(Box::pin(async move {
            let exit = exit
                .await
                .unwrap_or_else(|error| Exit::unknown(failed("wait for its end", &error)));
            Done::Event(Event::Exited { container: at, exit })
        }));
        let inbox = self.inbox.clone();
        let looking = listening::look(&self.shared, &launch.pod, &run, &launch.spec, at, inbox);
        self.followers.insert((at, Follower::Listening), tasks.attached("listening", looking));
        if let Some(after) = ready_after {
            let script = probes::scripted(self.inbox.clone(), at, after);
            self.followers.insert((at, Follower::Script), tasks.attached("script", script));
        }
        if launch.has_volumes_to_follow() {
            let following = launch.follow_volumes(self.inbox.clone());
            self.followers.insert((at, Follower::Volumes), tasks.attached("volumes", following));
        }
        Event::Started { container: at, run }
    }

    /// Goes on after the pod's end: the next pod may need the image.
    fn pull(&mut self, at: Index, state: &PodState) {
        let image = state.containers[at].image.clone();
        let (shared, pod) = (Arc::clone(&self.shared), Arc::clone(&state.pod));
        let (pulled, event) = oneshot::channel();
        self.shared.tasks.detached("pull", async move {
            let began = tokio::time::Instant::now();
            let failed = |message: String| Event::PullFailed { container: at, message };
            let pulling = async {
                let logins = logins::of_pod(&shared, &pod).await.map_err(|e| e.to_string())?;
                let pulled = shared.images.pull(&image, logins).await;
                pulled.map_err(|error| error.to_string())
            };
            let event = match pulling.await {
                Err(message) => failed(message),
                Ok(local) => match shared.runtime.prepare(&local).await {
                    Ok(()) => Event::Pulled {
                        container: at,
                        took: began.elapsed(),
                        size: local.image.size(),
                    },
                    Err(error) => failed(error.to_string()),
                },
            };
            // The pod may be gone.
            let _ = pulled.send(event);
        });
        self.pending.push(Box::pin(async move {
            let message = "the pull panicked; see the log of the platform".to_owned();
            let failed = || Event::PullFailed { container: at, message };
            Done::Event(event.await.unwrap_or_else(|_| failed()))
        }));
    }

    fn probe(&mut self, at: Index, kind: ProbeKind, state: &PodState) {
        let (Some(spec), Run::Running { id, .. }) =
            (pod::spec_of(&state.pod, at), &state.containers[at].run)
        else {
            return;
        };
        let probe = match kind {
            ProbeKind::Startup => &spec.startup_probe,
            ProbeKind::Readiness => &spec.readiness_probe,
            ProbeKind::Liveness => &spec.liveness_probe,
        };
        let Some(probe) = probe.clone() else { return };
        let target = Target {
            runtime: Arc::clone(&self.shared.runtime),
            tasks: self.shared.tasks.clone(),
            id: id.clone(),
            ip: state.ip,
            addresses: state.addresses.clone(),
            spec: Arc::new(spec.clone()),
        };
        let metrics = self.shared.metrics.clone();
        let asking = probes::keep_asking(target, probe, (at, kind), self.inbox.clone(), metrics);
        let task = self.shared.tasks.attached("probe", asking);
        self.followers.insert((at, Follower::Probe(kind)), task);
    }

    fn drain(&mut self, state: &PodState) {
        let drained = self.shared.traffic.drained(&state.pod);
        let task = self.shared.tasks.attached("drain", drained);
        self.pending.push(Box::pin(async move {
            // A panic was logged; the pod then counts as drained.
            let _ = task.await;
            Done::Event(Event::Drained)
        }));
    }

    /// Sends it until the runtime accepts it: an engine may be silent for a while. A later signal
    /// replaces one that was not accepted yet.
    fn signal(&mut self, at: Index, signal: Signal, state: &PodState) {
        let Run::Running { id, .. } = &state.containers[at].run else { return };
        let (runtime, id) = (Arc::clone(&self.shared.runtime), id.clone());
        let sending = send(runtime, id, signal);
        self.signals.insert(at, self.shared.tasks.attached("signal", sending));
    }

    fn record(&self, note: Note, state: &PodState) {
        let mut about = events::reference(&*state.pod);
        about.field_path = note.container.map(|at| {
            let container = &state.containers[at];
            let list = if container.role.is_init_list() { "initContainers" } else { "containers" };
            format!("spec.{list}{{{}}}", container.name)
        });
        let level = if note.warning { Level::Warning } else { Level::Normal };
        let notice = Notice { level, reason: note.reason.to_owned(), message: note.message };
        self.shared.events.publish(about, notice);
    }

    /// Releases what is kept for the pod, which has ended.
    pub(super) fn forget(self) {
        forget(&self.shared, &self.pod);
    }
}

/// Signals a container, repeatedly until its runtime accepts it.
async fn send(runtime: Arc<dyn ContainerRuntime>, id: String, signal: Signal) {
    let mut backoff = SIGNAL_AGAIN;
    let mut failed = false;
    while let Err(error) = runtime.signal(&id, signal).await {
        if !failed {
            tracing::warn!(%error, id, "cannot signal a container; it is tried again");
            failed = true;
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}

/// Releases the addresses, names and volumes of a pod.
pub(super) fn forget(shared: &Shared, pod: &PodRef) {
    shared.runtime.release(pod);
    shared.hosts.forget(pod);
    shared.tokens.forget(pod);
    let (disk, memory) = shared.config.volumes_of(pod);
    for volumes in [Some(disk), memory].into_iter().flatten() {
        // Most pods have none.
        let _ = std::fs::remove_dir_all(volumes);
    }
}

fn failed(doing: &str, error: &TaskError) -> String {
    format!("the node agent failed to {doing}: {error}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::testing::Faltering;

    #[tokio::test(start_paused = true)]
    async fn a_signal_that_its_runtime_did_not_accept_is_sent_again() {
        let runtime = Arc::new(Faltering::default());
        runtime.fail(3);
        let began = Instant::now();
        send(Arc::clone(&runtime) as _, "fake://1".to_owned(), Signal::Kill).await;
        assert_eq!(runtime.signals(), 4);
        assert_eq!(began.elapsed(), Duration::from_millis(500 + 1000 + 2000));
    }
}

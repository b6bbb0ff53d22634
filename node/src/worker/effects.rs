//! Performs the effects that a pod asks for, each in a task of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use rouse_kit::events::{self, Level, Notice};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::launch::{Launch, Outcome};
use super::prober::Target;
use super::shared::Shared;
use super::{listening, probes};
use crate::pod::{self, Effect, Event, Index, Note, PodState, ProbeKind, Run};
use crate::runtime::Signal;
use crate::spec::PodRef;

/// One pod's effects, whose results come back to its inbox.
pub(super) struct Effects {
    shared: Arc<Shared>,
    pod: PodRef,
    inbox: mpsc::Sender<Event>,
    probes: BTreeMap<(Index, ProbeKind), AbortHandle>,
}

impl Effects {
    pub(super) fn new(shared: Arc<Shared>, pod: PodRef, inbox: mpsc::Sender<Event>) -> Self {
        Self { shared, pod, inbox, probes: BTreeMap::new() }
    }

    pub(super) fn perform(&mut self, effect: Effect, state: &PodState) {
        match effect {
            Effect::Launch(at) => self.launch(at, state),
            Effect::Pull(at) => self.pull(at, state),
            Effect::Probe(at, kind) => self.probe(at, kind, state),
            Effect::StopProbes(at) => self.stop_probes(at),
            Effect::Signal(at, signal) => self.signal(at, signal, state),
            Effect::Remove(id) => {
                let runtime = Arc::clone(&self.shared.runtime);
                tokio::spawn(async move { runtime.remove(&id).await });
            }
            Effect::Note(note) => self.record(note, state),
            // The worker's own.
            Effect::Finish | Effect::Forget => {}
        }
    }

    fn launch(&self, at: Index, state: &PodState) {
        let Some(spec) = pod::spec_of(&state.pod, at).cloned() else { return };
        let spec = Arc::new(spec);
        let launch = Launch {
            shared: Arc::clone(&self.shared),
            pod: Arc::clone(&state.pod),
            reference: self.pod.clone(),
            spec: Arc::clone(&spec),
            at,
            restarts: state.containers[at].restarts,
            grace: pod::grace(&state.pod),
        };
        let (shared, inbox) = (Arc::clone(&self.shared), self.inbox.clone());
        tokio::spawn(async move {
            match launch.run().await {
                Outcome::Not(event) => {
                    // The worker has ended only if nothing of the pod matters any more.
                    let _ = inbox.send(event).await;
                }
                Outcome::Running { run, exit, ready_after } => {
                    let script =
                        ready_after.map(|after| probes::scripted(inbox.clone(), at, after));
                    let looking = listening::look(&shared, &run, &spec, at, inbox.clone());
                    let _ = inbox.send(Event::Started { container: at, run }).await;
                    let others = async {
                        tokio::join!(
                            async { futures::future::OptionFuture::from(script).await },
                            looking
                        )
                    };
                    let exit = tokio::select! {
                        biased; // the end is all that counts
                        exit = exit => exit,
                        _ = async { others.await; std::future::pending::<()>().await } => return,
                    };
                    let _ = inbox.send(Event::Exited { container: at, exit }).await;
                }
            }
        });
    }

    fn pull(&self, at: Index, state: &PodState) {
        let image = state.containers[at].image.clone();
        let (shared, inbox) = (Arc::clone(&self.shared), self.inbox.clone());
        tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            let event = match shared.images.pull(&image).await {
                Err(error) => Event::PullFailed { container: at, message: error.to_string() },
                Ok(local) => match shared.runtime.prepare(&local).await {
                    Ok(()) => Event::Pulled {
                        container: at,
                        took: began.elapsed(),
                        size: local.image.size(),
                    },
                    Err(error) => Event::PullFailed { container: at, message: error.to_string() },
                },
            };
            let _ = inbox.send(event).await;
        });
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
            id: id.clone(),
            ip: state.ip,
            addresses: state.addresses.clone(),
            spec: Arc::new(spec.clone()),
        };
        let asking = probes::keep_asking(target, probe, kind, at, self.inbox.clone());
        let task = tokio::spawn(asking);
        if let Some(before) = self.probes.insert((at, kind), task.abort_handle()) {
            before.abort();
        }
    }

    fn stop_probes(&mut self, at: Index) {
        self.probes.retain(|(of, _), task| {
            if *of == at {
                task.abort();
            }
            *of != at
        });
    }

    fn signal(&self, at: Index, signal: Signal, state: &PodState) {
        let Run::Running { id, .. } = &state.containers[at].run else { return };
        let (runtime, id) = (Arc::clone(&self.shared.runtime), id.clone());
        tokio::spawn(async move {
            if let Err(error) = runtime.signal(&id, signal).await {
                tracing::warn!(%error, id, "cannot signal a container");
            }
        });
    }

    fn record(&self, note: Note, state: &PodState) {
        let mut about = events::reference(&*state.pod);
        about.field_path = note.container.map(|at| {
            let container = &state.containers[at];
            let list = if container.init { "initContainers" } else { "containers" };
            format!("spec.{list}{{{}}}", container.name)
        });
        let level = if note.warning { Level::Warning } else { Level::Normal };
        let notice = Notice { level, reason: note.reason.to_owned(), message: note.message };
        self.shared.events.publish(about, notice);
    }

    /// Nothing of the pod is left here.
    pub(super) fn forget(&mut self) {
        for (_, task) in std::mem::take(&mut self.probes) {
            task.abort();
        }
        self.shared.runtime.release(&self.pod);
        let volumes = self.shared.config.data_dir.join("volumes").join(&self.pod.uid);
        // Most pods have none.
        let _ = std::fs::remove_dir_all(volumes);
    }
}

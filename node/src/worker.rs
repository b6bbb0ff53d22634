//! One pod's task: gathers what happens, asks the pod what to do, does it, writes the status.
//!
//! One status write is under way at a time; what changes meanwhile goes into the next one. While a
//! container starts the write waits a moment, so that a start that is soon over is one write: each
//! change of a pod's status is followed by one of its ReplicaSet, Deployment, Revision and Service.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodStatus, Probe};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use rouse_kit::events::{Level, Notice};
use rouse_kit::{Shutdown, events};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::agent::Shared;
use crate::launch::{self, Launch, Outcome};
use crate::pod::{Effect, Event, Index, Note, PodState, Run};
use crate::probe::{ProbeKind, Timing, Tracker, Verdict};
use crate::prober;
use crate::runtime::{BoxFuture, PodRef, Signal};

/// Happenings of one pod that wait to be looked at: a few per container.
const INBOX: usize = 64;
/// How long a start may take, from launch to the first passed probe, before the status says that it
/// is under way.
const START_SHOWN: Duration = Duration::from_millis(200);
/// A failed status write or delete is tried again after this.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
/// When a program is asked where it listens, if it is not where it should be.
const PORT_LOOK_EVERY: Duration = Duration::from_secs(2);
const PORT_LOOKS_MAX: u32 = 60;

/// The object as last seen.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) pod: Arc<Pod>,
    pub(crate) gone: bool,
}

type Write = BoxFuture<'static, (PodStatus, Result<(), kube::Error>)>;

pub(crate) struct Worker {
    shared: Arc<Shared>,
    state: PodState,
    reference: PodRef,
    inbox: mpsc::Sender<Event>,
    probes: BTreeMap<(Index, ProbeKind), AbortHandle>,
    ready_after: BTreeMap<Index, Duration>,
    written: Option<PodStatus>,
}

/// Follows one pod until nothing of it is left here.
pub(crate) async fn run(shared: Arc<Shared>, mut seen: watch::Receiver<Seen>, halt: Shutdown) {
    let first = seen.borrow_and_update().clone();
    let now = shared.clock.now();
    let state = PodState::new(Arc::clone(&first.pod), now);
    let (inbox, mut happened) = mpsc::channel(INBOX);
    let mut worker = Worker {
        reference: state.reference(),
        written: first.pod.status.clone(),
        shared,
        state,
        inbox,
        probes: BTreeMap::new(),
        ready_after: BTreeMap::new(),
    };
    let mut event = if first.gone { Event::Gone } else { Event::Observed(first.pod) };
    let mut write: Option<Write> = None;
    let mut write_at = tokio::time::Instant::now();
    let mut halted = false;
    loop {
        let was_starting = worker.state.is_starting();
        let effects = worker.state.step(event, worker.shared.clock.now());
        let mut over = false;
        for effect in effects {
            over |= worker.perform(effect).await;
        }
        if over {
            worker.forget();
            return;
        }
        match (was_starting, worker.state.is_starting()) {
            (false, true) => {
                write_at = write_at.max(tokio::time::Instant::now() + START_SHOWN);
            }
            (true, false) => write_at = tokio::time::Instant::now(),
            (true, true) | (false, false) => {}
        }
        event = loop {
            let due = tokio::time::Instant::now() >= write_at;
            if write.is_none() && worker.is_unwritten() && due {
                write = Some(worker.write_status());
            }
            let wake = worker.wakes_in(write.is_none().then_some(write_at));
            tokio::select! {
                biased; // the end of the platform first, then what happened, in no particular order
                () = halt.cancelled(), if !halted => {
                    halted = true;
                    break Event::Halt;
                }
                Some(event) = happened.recv() => break event,
                changed = seen.changed() => match changed {
                    Ok(()) => {
                        let seen = seen.borrow_and_update().clone();
                        break if seen.gone { Event::Gone } else { Event::Observed(seen.pod) };
                    }
                    // The agent is gone; with it goes the platform.
                    Err(_) => break Event::Halt,
                },
                (status, result) = writing(&mut write) => {
                    write = None;
                    if worker.status_written(status, result) {
                        write_at = tokio::time::Instant::now() + WRITE_AGAIN;
                    }
                }
                () = tokio::time::sleep(wake) => break Event::Tick,
            }
        };
    }
}

async fn writing(write: &mut Option<Write>) -> (PodStatus, Result<(), kube::Error>) {
    match write {
        Some(write) => write.await,
        None => std::future::pending().await,
    }
}

impl Worker {
    fn status(&self) -> PodStatus {
        self.state.status(self.shared.host_ip)
    }

    fn is_unwritten(&self) -> bool {
        let halting = self.shared.halting.is_cancelled();
        !halting && !self.state.done && self.written.as_ref() != Some(&self.status())
    }

    fn wakes_in(&self, write_at: Option<tokio::time::Instant>) -> Duration {
        /// Long enough to be never, short enough for any clock.
        const NEVER: Duration = Duration::from_secs(24 * 3600);
        let now = self.shared.clock.now();
        let state = self
            .state
            .wake_at()
            .map_or(NEVER, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let write = write_at
            .filter(|_| self.is_unwritten())
            .map_or(NEVER, |at| at.saturating_duration_since(tokio::time::Instant::now()));
        state.min(write)
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.shared.client.clone(), &self.reference.namespace)
    }

    fn write_status(&self) -> Write {
        let (api, status) = (self.api(), self.status());
        let (name, uid) = (self.reference.name.clone(), self.reference.uid.clone());
        Box::pin(async move {
            let patch = json!({"metadata": {"uid": uid}, "status": status});
            let done =
                api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
            (status, done.map(drop))
        })
    }

    /// Whether it has to be tried again.
    fn status_written(&mut self, status: PodStatus, result: Result<(), kube::Error>) -> bool {
        match result {
            Ok(()) => self.written = Some(status),
            // The pod is gone, or another one has its name: the watch will say so.
            Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => {
                self.written = Some(status);
            }
            Err(error) => {
                let PodRef { namespace, name, .. } = &self.reference;
                tracing::warn!(%error, ns = %namespace, name = %name, "cannot write a pod's status");
                return true;
            }
        }
        false
    }

    /// Whether this was the last thing to do.
    async fn perform(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Launch(at) => self.launch(at),
            Effect::Pull(at) => self.pull(at),
            Effect::Probe(at, kind) => self.probe(at, kind),
            Effect::StopProbes(at) => self.stop_probes(at),
            Effect::Signal(at, signal) => self.signal(at, signal),
            Effect::Remove(id) => {
                let runtime = Arc::clone(&self.shared.runtime);
                tokio::spawn(async move { runtime.remove(&id).await });
            }
            Effect::Note(note) => self.record(note),
            Effect::Finish => {
                self.finish().await;
                return true;
            }
            Effect::Forget => return true,
        }
        false
    }

    fn launch(&mut self, at: Index) {
        let Some(spec) = self.state.spec_of(at).cloned() else { return };
        let spec = Arc::new(spec);
        let grace = self.state.pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds);
        let launch = Launch {
            shared: Arc::clone(&self.shared),
            pod: Arc::clone(&self.state.pod),
            reference: self.reference.clone(),
            spec: Arc::clone(&spec),
            at,
            restarts: self.state.containers[at].restarts,
            grace: Duration::from_secs(grace.and_then(|s| s.try_into().ok()).unwrap_or(30)),
        };
        let inbox = self.inbox.clone();
        let shared = Arc::clone(&self.shared);
        self.ready_after.remove(&at);
        tokio::spawn(async move {
            match launch.run().await {
                Outcome::Not(event) => {
                    // The pod's task has ended only if nothing of the pod matters any more.
                    let _ = inbox.send(event).await;
                }
                Outcome::Running { event, exit, ready_after } => {
                    let script = ready_after.map(|after| scripted(inbox.clone(), at, after));
                    let looking = look_for_port(&shared, &event, &spec, at, inbox.clone());
                    let _ = inbox.send(event).await;
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

    fn pull(&self, at: Index) {
        let image = self.state.containers[at].image.clone();
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

    fn probe(&mut self, at: Index, kind: ProbeKind) {
        let (Some(spec), Run::Running { id, .. }) =
            (self.state.spec_of(at), &self.state.containers[at].run)
        else {
            return;
        };
        let probe = match kind {
            ProbeKind::Startup => &spec.startup_probe,
            ProbeKind::Readiness => &spec.readiness_probe,
            ProbeKind::Liveness => &spec.liveness_probe,
        };
        let Some(probe) = probe.clone() else { return };
        let target = prober::Target {
            runtime: Arc::clone(&self.shared.runtime),
            id: id.clone(),
            ip: self.state.ip,
            addresses: self.state.addresses.clone(),
            spec: Arc::new(spec.clone()),
        };
        let task = tokio::spawn(keep_asking(target, probe, kind, at, self.inbox.clone()));
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

    fn signal(&self, at: Index, signal: Signal) {
        let Run::Running { id, .. } = &self.state.containers[at].run else { return };
        let (runtime, id) = (Arc::clone(&self.shared.runtime), id.clone());
        tokio::spawn(async move {
            if let Err(error) = runtime.signal(&id, signal).await {
                tracing::warn!(%error, id, "cannot signal a container");
            }
        });
    }

    fn record(&self, note: Note) {
        let mut about = events::reference(&*self.state.pod);
        about.field_path = note.container.map(|at| {
            let container = &self.state.containers[at];
            let list = if container.init { "initContainers" } else { "containers" };
            format!("spec.{list}{{{}}}", container.name)
        });
        let level = if note.warning { Level::Warning } else { Level::Normal };
        let notice = Notice { level, reason: note.reason.to_owned(), message: note.message };
        self.shared.events.publish(about, notice);
    }

    /// The last status, and then no object.
    async fn finish(&mut self) {
        let name = self.reference.name.clone();
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: Some(self.reference.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        if self.is_unwritten() {
            let (status, result) = self.write_status().await;
            self.status_written(status, result);
        }
        while !self.shared.halting.is_cancelled() {
            match self.api().delete(&name, &params).await {
                Ok(_) => return,
                Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => return,
                Err(error) => {
                    tracing::warn!(%error, name = %name, "cannot remove a pod that has ended");
                    tokio::time::sleep(WRITE_AGAIN).await;
                }
            }
        }
    }

    fn forget(&mut self) {
        for (_, task) in std::mem::take(&mut self.probes) {
            task.abort();
        }
        self.shared.runtime.release(&self.reference);
        let volumes = self.shared.config.data_dir.join("volumes").join(&self.reference.uid);
        // Most pods have none.
        let _ = std::fs::remove_dir_all(volumes);
    }
}

/// A scripted container is ready when its script says so.
async fn scripted(inbox: mpsc::Sender<Event>, at: Index, after: Duration) {
    tokio::time::sleep(after).await;
    for kind in [ProbeKind::Startup, ProbeKind::Readiness] {
        let event =
            Event::Probed { container: at, kind, verdict: Verdict::Passed, message: String::new() };
        let _ = inbox.send(event).await;
    }
}

/// Probes until it is aborted; tells the pod what changed, and every failure that counts.
async fn keep_asking(
    target: prober::Target,
    probe: Probe,
    kind: ProbeKind,
    at: Index,
    inbox: mpsc::Sender<Event>,
) {
    let mut tracker = Tracker::new(kind, Timing::of(&probe));
    let mut told = Verdict::Nothing;
    let mut first = true;
    loop {
        let (wait, check) = tracker.next(first);
        first = false;
        tokio::time::sleep(wait).await;
        let answer = prober::ask(&target, &probe, tracker.timeout(check)).await;
        let verdict = tracker.record(check, answer.is_ok());
        let news = match verdict {
            Verdict::Nothing => false,
            Verdict::Passed => told != Verdict::Passed,
            Verdict::Failing | Verdict::Failed => true,
        };
        if !news {
            continue;
        }
        told = verdict;
        let message = answer.err().unwrap_or_default();
        if inbox.send(Event::Probed { container: at, kind, verdict, message }).await.is_err() {
            return;
        }
        if kind == ProbeKind::Startup && verdict == Verdict::Passed {
            return;
        }
    }
}

/// Watches for a program that listens, but not where `PORT` says.
fn look_for_port(
    shared: &Arc<Shared>,
    event: &Event,
    spec: &Arc<Container>,
    at: Index,
    inbox: mpsc::Sender<Event>,
) -> impl Future<Output = ()> + use<> {
    let serving = launch::serving_port(spec);
    // The port as the program is to see it.
    let told = |addresses: &BTreeMap<u16, SocketAddr>| {
        if shared.runtime.capabilities().remaps_port {
            addresses.get(&serving?).filter(|address| is_local(address)).map(SocketAddr::port)
        } else {
            serving
        }
    };
    let started = match event {
        Event::Started { run, .. } => told(&run.addresses).map(|port| (run.id.clone(), port)),
        _ => None,
    };
    let (shared, name) = (Arc::clone(shared), spec.name.clone());
    async move {
        let Some((id, want)) = started else { return };
        for _ in 0..PORT_LOOKS_MAX {
            tokio::time::sleep(PORT_LOOK_EVERY).await;
            let (runtime, id) = (Arc::clone(&shared.runtime), id.clone());
            let found = tokio::task::spawn_blocking(move || runtime.listening(&id)).await;
            let Ok(Some(found)) = found else { return };
            let elsewhere: Vec<String> = found.iter().map(u16::to_string).collect();
            let message = if found.is_empty() {
                continue;
            } else if found.contains(&want) {
                None
            } else {
                Some(format!(
                    "container {name:?} listens on {}, not on PORT={want}: a program must listen \
                     on the port that the environment variable PORT names",
                    elsewhere.join(", ")
                ))
            };
            let right = message.is_none();
            let _ = inbox.send(Event::PortIgnored { container: at, message }).await;
            if right {
                return;
            }
        }
    }
}

fn is_local(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    }
}

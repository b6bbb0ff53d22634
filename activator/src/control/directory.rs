//! The one task that changes the tables that the data threads read.
//!
//! It applies changes, keeps routes, revisions and pods, runs the probes, and publishes. A change
//! is visible to all data threads as soon as it is published: they load the table for every
//! request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rouse_api::routing::{self, Routing};
use rouse_k8s::ObjectKey;
use rouse_kit::{Clock, Part, Shutdown, Task, Tasks};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::admission::home::Place;
use crate::admission::revision::Revision;
use crate::control::change::{Change, GiveUp};
use crate::control::probe;
use crate::control::registry::Registry;
use crate::control::shared::{PodState, Progress, Shared};
use crate::state::keys::RouteKey;
use crate::state::pod::{Born, Pod};
use crate::state::readiness::{Memory, PodFacts, Stage, stage};
use crate::state::routes::RouteTable;

/// Changes taken at once, so that a burst is published once.
const BATCH: usize = 256;
/// Passes that may wait to be applied; a probe whose pass waits has nothing else to do.
const PASSES_MAX: usize = 1024;
/// Bounds one attempt of a probe.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// The directory's record of one pod.
#[derive(Debug)]
struct Tracked {
    facts: Arc<PodFacts>,
    /// Held, so that a revision lives as long as a pod of it is known.
    revision: Arc<Revision>,
    memory: Memory,
    seen: Instant,
    bound: Option<Instant>,
    /// Made when there is an address.
    pod: Option<Arc<Pod>>,
    place: Place,
    /// The former `pod`, out of the rotation for good; requests may still be in it.
    retired: Option<Arc<Pod>>,
    /// Its probe, while one runs. Dropped, it stops.
    probing: Option<Task<()>>,
}

/// A pod whose probe passed, and the pod's id.
type Pass = (ObjectKey, u64);

/// The task's state: all objects it knows, and the tables it publishes.
#[derive(Debug)]
pub(crate) struct Directory {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    routes: BTreeMap<RouteKey, Arc<Routing>>,
    pods: HashMap<ObjectKey, Tracked>,
    /// The UIDs of pods that were given up before their objects arrived.
    given_up: HashMap<ObjectKey, String>,
    passes: mpsc::Sender<Pass>,
    passed: mpsc::Receiver<Pass>,
    tasks: Tasks,
    part: Part,
    clock: Clock,
    complete: bool,
    /// Why the published tables may be stale.
    outage: Option<String>,
    /// The route table has to be rebuilt.
    table_changed: bool,
    /// The progress has to be published.
    progress_changed: bool,
}

impl Directory {
    /// `part` is ready once all objects that existed at the start are published, and while they are
    /// kept up to date.
    pub(crate) fn new(
        shared: Arc<Shared>,
        registry: Arc<Registry>,
        tasks: Tasks,
        part: Part,
        clock: Clock,
    ) -> Self {
        let (passes, passed) = mpsc::channel(PASSES_MAX);
        Self {
            shared,
            registry,
            routes: BTreeMap::new(),
            pods: HashMap::new(),
            given_up: HashMap::new(),
            passes,
            passed,
            tasks,
            part,
            clock,
            complete: false,
            outage: None,
            table_changed: false,
            progress_changed: false,
        }
    }

    /// Applies changes until shutdown or until all senders are gone.
    pub(crate) async fn run(mut self, mut changes: mpsc::Receiver<Change>, shutdown: Shutdown) {
        let mut batch = Vec::with_capacity(BATCH);
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                count = changes.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for change in batch.drain(..) {
                        self.apply(change);
                    }
                    self.publish();
                }
                Some((key, id)) = self.passed.recv() => self.passed(&key, id),
                () = shared.suspicion() => self.suspected(),
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Route(key, Some(routing)) => {
                self.table_changed |= self.routes.get(&key) != Some(&routing);
                self.routes.insert(key, routing);
            }
            Change::Route(key, None) => self.table_changed |= self.routes.remove(&key).is_some(),
            Change::Revision(key, Some(settings)) => {
                let revision = self.registry.get(key);
                // Progress depends only on whether the revision is known.
                self.progress_changed |= revision.settings.load().is_none();
                revision.configure(settings);
            }
            Change::Revision(key, None) => {
                self.registry.get(key).forget();
                self.progress_changed = true;
            }
            Change::Pod(key, Some(facts)) => self.pod_changed(key, facts),
            Change::Pod(key, None) => self.pod_gone(&key),
            Change::Certificate(key, certificate) => {
                self.shared.certificates.rcu(|all| {
                    let mut all = HashMap::clone(all);
                    match &certificate {
                        Some(certificate) => all.insert(key.clone(), Arc::clone(certificate)),
                        None => all.remove(&key),
                    };
                    all
                });
                self.progress_changed = true;
            }
            Change::GiveUp(GiveUp { pod, uid, done }) => {
                // The caller may be gone.
                let _ = done.send(self.give_up(pod, uid));
            }
            Change::Outage(outage) => {
                self.outage = outage;
                self.progress_changed = true;
            }
            Change::Complete => {
                self.complete = true;
                self.progress_changed = true;
            }
        }
    }

    fn publish(&mut self) {
        if !self.table_changed && !self.progress_changed {
            return;
        }
        if self.table_changed {
            let registry = &self.registry;
            let previous = self.shared.table.load();
            let table = RouteTable::build(&self.routes, &previous, |key| registry.get(key));
            drop(previous);
            self.shared.table.store(Arc::new(table));
        }
        self.registry.prune();
        let certificates = self.shared.certificates.load();
        let known = |key: &RouteKey, routing: &Routing| {
            let in_namespace = |name: &str| ObjectKey::new(&key.key.namespace, name);
            let mut secrets = routing.hosts.iter().filter_map(|host| host.tls_secret.as_deref());
            let mut shares = routing.hosts.iter().flat_map(routing::Host::shares);
            secrets.all(|secret| certificates.contains_key(&in_namespace(secret)))
                && shares.all(|share| {
                    self.registry.get(in_namespace(&share.revision)).settings.load().is_some()
                })
        };
        let versions = self
            .routes
            .iter()
            .filter(|(key, routing)| known(key, routing))
            .map(|(key, routing)| (key.clone(), routing.version))
            .collect();
        self.shared.progress.send_replace(Progress { complete: self.complete, versions });
        if self.complete {
            self.part.set(self.outage.clone());
        }
        (self.table_changed, self.progress_changed) = (false, false);
    }

    fn pod_changed(&mut self, key: ObjectKey, facts: Arc<PodFacts>) {
        let now = self.clock.instant();
        let revision = self.registry.get(facts.revision.clone());
        let tracked = self.pods.entry(key.clone()).or_insert_with(|| Tracked {
            facts: Arc::clone(&facts),
            revision,
            memory: Memory::default(),
            seen: now,
            bound: None,
            pod: None,
            place: Place::Out,
            retired: None,
            probing: None,
        });
        tracked.facts = facts;
        tracked.memory.given_up |= self.given_up.get(&key) == Some(&tracked.facts.uid);
        if tracked.facts.bound {
            tracked.bound.get_or_insert(now);
        }
        if stage(&tracked.facts, tracked.memory) == Stage::Leaving {
            self.retire(&key);
            self.publish_state(&key);
            return;
        }
        tracked.memory.was_ready |= tracked.facts.ready;
        let moved = tracked.pod.as_ref().map(|pod| pod.address) != tracked.facts.address;
        if moved {
            let memory = Memory { was_ready: tracked.memory.was_ready, ..Memory::default() };
            let bound = tracked.bound.unwrap_or(now);
            let born = Born { seen: tracked.seen, bound, addressed: now };
            let name = key.name.clone();
            let made = |address| Arc::new(Pod::new(name, address, born));
            let fresh = tracked.facts.address.map(made);
            self.retire(&key);
            if let Some(tracked) = self.pods.get_mut(&key) {
                tracked.memory = memory;
                tracked.pod = fresh;
            }
        }
        self.update_place(&key);
    }

    fn pod_gone(&mut self, key: &ObjectKey) {
        self.retire(key);
        self.pods.remove(key);
        self.given_up.remove(key);
        self.shared.pods.lock().remove(key);
        self.registry.prune();
    }

    /// Takes a pod out of the rotation for good, at its present address.
    fn retire(&mut self, key: &ObjectKey) {
        let Some(tracked) = self.pods.get_mut(key) else { return };
        tracked.probing = None;
        tracked.place = Place::Out;
        if let Some(pod) = tracked.pod.take() {
            pod.retire();
            tracked.revision.place(&pod, Place::Out);
            self.shared.pod_left();
            tracked.retired = Some(pod);
        }
    }

    /// Takes a pod out of the rotation for good, whatever its object says now or later. Returns the
    /// pod that requests may still be in.
    fn give_up(&mut self, key: ObjectKey, uid: String) -> Option<Arc<Pod>> {
        let known = self.pods.get_mut(&key).filter(|tracked| tracked.facts.uid == uid);
        let Some(tracked) = known else {
            self.given_up.insert(key, uid);
            return None;
        };
        tracked.memory.given_up = true;
        self.retire(&key);
        self.publish_state(&key);
        self.pods.get(&key)?.retired.clone()
    }

    /// Publishes a pod's stage for the debug pages.
    fn publish_state(&self, key: &ObjectKey) {
        let Some(tracked) = self.pods.get(key) else { return };
        let stage = stage(&tracked.facts, tracked.memory);
        let (revision, pod) = (tracked.facts.revision.clone(), tracked.pod.clone());
        self.shared.pods.lock().insert(key.clone(), PodState { revision, stage, pod });
    }

    /// Sets a pod's place from its stage, and starts a probe if the stage asks for one.
    fn update_place(&mut self, key: &ObjectKey) {
        self.publish_state(key);
        let Some(tracked) = self.pods.get_mut(key) else { return };
        let revision = Arc::clone(&tracked.revision);
        if tracked.facts.trouble.is_some() {
            revision.trouble.store(tracked.facts.trouble.clone().map(Arc::new));
        }
        let stage = stage(&tracked.facts, tracked.memory);
        let Some(pod) = tracked.pod.clone() else { return };
        if stage != Stage::Probe {
            tracked.probing = None;
        }
        let place = match stage {
            Stage::Usable => Place::Usable,
            Stage::Draining => Place::Draining,
            Stage::Unaddressed | Stage::Probe | Stage::AwaitReady | Stage::Leaving => Place::Out,
        };
        if place == Place::Usable {
            pod.usable_since.get_or_init(Instant::now);
            revision.trouble.store(None);
        }
        if tracked.place != place {
            tracked.place = place;
            revision.place(&pod, place);
        }
        if stage == Stage::Probe && tracked.probing.as_ref().is_none_or(Task::is_finished) {
            let (key, check) = (key.clone(), tracked.facts.check.clone());
            let passes = self.passes.clone();
            tracked.probing = Some(self.tasks.attached("probe", async move {
                probe::until_pass(check, pod.address, PROBE_LIMIT).await;
                // An error means that the directory is gone.
                let _ = passes.send((key, pod.id)).await;
            }));
        }
    }

    fn passed(&mut self, key: &ObjectKey, id: u64) {
        let Some(tracked) = self.pods.get_mut(key) else { return };
        if tracked.pod.as_ref().is_none_or(|pod| pod.id != id) {
            return;
        }
        tracked.probing = None;
        tracked.memory.passed = true;
        tracked.memory.unreachable = false;
        self.update_place(key);
    }

    fn suspected(&mut self) {
        let suspects = self.shared.take_suspects();
        for pod in suspects {
            let of = |tracked: &Tracked| tracked.pod.as_ref().is_some_and(|own| own.id == pod.id);
            let Some(key) =
                self.pods.iter().find(|(_, tracked)| of(tracked)).map(|(key, _)| key.clone())
            else {
                continue;
            };
            if let Some(tracked) = self.pods.get_mut(&key) {
                // The data thread took it out already.
                tracked.place = Place::Out;
                tracked.memory.passed = false;
                tracked.memory.unreachable = true;
            }
            self.update_place(&key);
        }
    }
}

#[cfg(test)]
mod tests;

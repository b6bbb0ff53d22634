//! What the data threads look at, and the one task that changes it.
//!
//! Changes come in one by one, from the watches or from a test; the task keeps routes, revisions
//! and pods, runs the probes, and publishes. A change is visible to all data threads as soon as
//! it is published: they load the table anew for every request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rouse_api::routing::Routing;
use rouse_kit::{Clock, Shutdown};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::home::Place;
use crate::load::Bell;
use crate::pods::{Born, Memory, Pod, PodFacts, Stage, stage};
use crate::probe;
use crate::revision::{Revision, RevisionKey, Settings, Slot};
use crate::route_table::{RouteKey, RouteTable};

/// Changes taken at once, so that a burst is published once.
const BATCH: usize = 256;
/// Longest attempt of a probe whose pod says nothing else.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// Something that the activator has to know. `None` is: it is gone.
#[derive(Debug)]
pub(crate) enum Change {
    Route(RouteKey, Option<Routing>),
    Revision(RevisionKey, Option<Settings>),
    Pod(PodKey, Option<PodFacts>),
    /// All objects that exist were told.
    Complete,
}

/// Names a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PodKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// All revisions that anything mentions.
#[derive(Debug)]
pub(crate) struct Registry {
    revisions: Mutex<HashMap<RevisionKey, Arc<Revision>>>,
    bell: Arc<Bell>,
}

impl Registry {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self { revisions: Mutex::default(), bell }
    }

    fn get(&self, key: RevisionKey) -> Arc<Revision> {
        let mut revisions = self.revisions.lock();
        let made = || Arc::new(Revision::new(key.clone(), Arc::clone(&self.bell)));
        Arc::clone(revisions.entry(key.clone()).or_insert_with(made))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Revision>> {
        self.revisions.lock().values().map(Arc::clone).collect()
    }

    /// Drops revisions whose object is gone and that nothing else holds.
    fn prune(&self) {
        self.revisions
            .lock()
            .retain(|_, held| held.settings.load().is_some() || Arc::strong_count(held) > 1);
    }
}

/// How far the published tables go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) complete: bool,
    pub(crate) versions: HashMap<RouteKey, i64>,
}

/// What control and data threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<RouteTable>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Pods that a request could not reach; each is here once, since it left the rotation.
    suspects: Mutex<Vec<Arc<Pod>>>,
    suspicion: Notify,
    /// Counts pods that left, so that threads close their connections to them.
    left: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            table: ArcSwap::default(),
            progress: watch::Sender::new(Progress::default()),
            suspects: Mutex::default(),
            suspicion: Notify::new(),
            left: watch::Sender::new(0),
        }
    }

    pub(crate) fn left(&self) -> watch::Receiver<u64> {
        self.left.subscribe()
    }

    /// Returns once the tables hold all that existed at the start.
    pub(crate) async fn ready(&self) {
        let mut progress = self.progress.subscribe();
        // An error means that the sender is gone, which `self` holds.
        let _ = progress.wait_for(|progress| progress.complete).await;
    }

    /// Takes a pod out of the rotation because it could not be reached.
    pub(crate) fn suspect(&self, slot: &Slot) {
        if slot.revision.suspect(&slot.pod) {
            self.suspects.lock().push(Arc::clone(&slot.pod));
            self.suspicion.notify_one();
        }
    }
}

/// A pod as the control task keeps it.
#[derive(Debug)]
struct Tracked {
    facts: PodFacts,
    /// Held, so that a revision lives as long as a pod of it is known.
    revision: Arc<Revision>,
    memory: Memory,
    seen: Instant,
    bound: Option<Instant>,
    /// Made when there is an address.
    pod: Option<Arc<Pod>>,
    place: Place,
    probing: Option<AbortHandle>,
}

/// Keeps and publishes.
#[derive(Debug)]
pub(crate) struct Directory {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    routes: BTreeMap<RouteKey, Routing>,
    pods: HashMap<PodKey, Tracked>,
    probes: JoinSet<(PodKey, u64)>,
    clock: Clock,
    complete: bool,
    /// The table has to be built anew; the progress has to be told anew.
    stale: bool,
    news: bool,
}

impl Directory {
    pub(crate) fn new(shared: Arc<Shared>, registry: Arc<Registry>, clock: Clock) -> Self {
        Self {
            shared,
            registry,
            routes: BTreeMap::new(),
            pods: HashMap::new(),
            probes: JoinSet::new(),
            clock,
            complete: false,
            stale: false,
            news: false,
        }
    }

    /// Applies changes until shutdown or until nobody sends any.
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
                Some(passed) = self.probes.join_next() => {
                    if let Ok((key, id)) = passed {
                        self.passed(&key, id);
                    }
                }
                () = shared.suspicion.notified() => self.suspected(),
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Route(key, Some(routing)) => {
                self.stale |= self.routes.get(&key) != Some(&routing);
                self.routes.insert(key, routing);
            }
            Change::Route(key, None) => self.stale |= self.routes.remove(&key).is_some(),
            Change::Revision(key, Some(settings)) => {
                let revision = self.registry.get(key);
                // Progress asks only whether it is known.
                self.news |= revision.settings.load().is_none();
                revision.configure(settings);
            }
            Change::Revision(key, None) => {
                self.registry.get(key).forget();
                self.news = true;
            }
            Change::Pod(key, Some(facts)) => self.pod_changed(key, facts),
            Change::Pod(key, None) => self.pod_gone(&key),
            Change::Complete => {
                self.complete = true;
                self.news = true;
            }
        }
    }

    fn publish(&mut self) {
        if !self.stale && !self.news {
            return;
        }
        if self.stale {
            let registry = &self.registry;
            let previous = self.shared.table.load();
            let table = RouteTable::build(&self.routes, &previous, |key| registry.get(key));
            drop(previous);
            self.shared.table.store(Arc::new(table));
        }
        self.registry.prune();
        let known = |key: &RouteKey, routing: &Routing| {
            routing.hosts.iter().flat_map(|host| &host.split).all(|share| {
                let key = RevisionKey::new(&key.namespace, &share.revision);
                self.registry.get(key).settings.load().is_some()
            })
        };
        let versions = self
            .routes
            .iter()
            .filter(|(key, routing)| known(key, routing))
            .map(|(key, routing)| (key.clone(), routing.version))
            .collect();
        self.shared.progress.send_replace(Progress { complete: self.complete, versions });
        (self.stale, self.news) = (false, false);
    }

    fn pod_changed(&mut self, key: PodKey, facts: PodFacts) {
        let now = self.clock.instant();
        if self.pods.get(&key).is_some_and(|known| known.facts.uid != facts.uid) {
            self.pod_gone(&key);
        }
        let revision = self.registry.get(facts.revision.clone());
        let tracked = self.pods.entry(key.clone()).or_insert_with(|| Tracked {
            facts: facts.clone(),
            revision,
            memory: Memory::default(),
            seen: now,
            bound: None,
            pod: None,
            place: Place::Out,
            probing: None,
        });
        tracked.facts = facts;
        if tracked.facts.bound {
            tracked.bound.get_or_insert(now);
        }
        if tracked.facts.leaving {
            self.retire(&key);
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
        self.settle(&key);
    }

    fn pod_gone(&mut self, key: &PodKey) {
        self.retire(key);
        self.pods.remove(key);
        self.registry.prune();
    }

    /// Takes the pod of an address away for good.
    fn retire(&mut self, key: &PodKey) {
        let Some(tracked) = self.pods.get_mut(key) else { return };
        stop(&mut tracked.probing);
        tracked.place = Place::Out;
        if let Some(pod) = tracked.pod.take() {
            pod.retire();
            tracked.revision.place(&pod, Place::Out);
            self.shared.left.send_modify(|count| *count += 1);
        }
    }

    /// Puts a pod where what is known of it says.
    fn settle(&mut self, key: &PodKey) {
        let Some(tracked) = self.pods.get_mut(key) else { return };
        let revision = Arc::clone(&tracked.revision);
        if tracked.facts.trouble.is_some() {
            revision.trouble.store(tracked.facts.trouble.clone().map(Arc::new));
        }
        let stage = stage(&tracked.facts, tracked.memory);
        let Some(pod) = tracked.pod.clone() else { return };
        if stage != Stage::Probe {
            stop(&mut tracked.probing);
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
        if stage == Stage::Probe && tracked.probing.is_none() {
            let (key, check) = (key.clone(), tracked.facts.check.clone());
            tracked.probing = Some(self.probes.spawn(async move {
                probe::until_pass(check, pod.address, PROBE_LIMIT).await;
                (key, pod.id)
            }));
        }
    }

    fn passed(&mut self, key: &PodKey, id: u64) {
        let Some(tracked) = self.pods.get_mut(key) else { return };
        if tracked.pod.as_ref().is_none_or(|pod| pod.id != id) {
            return;
        }
        tracked.probing = None;
        tracked.memory.passed = true;
        tracked.memory.unreachable = false;
        self.settle(key);
    }

    fn suspected(&mut self) {
        let suspects = std::mem::take(&mut *self.shared.suspects.lock());
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
            self.settle(&key);
        }
    }
}

fn stop(probing: &mut Option<AbortHandle>) {
    if let Some(probing) = probing.take() {
        probing.abort();
    }
}

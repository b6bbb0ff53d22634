//! The built-in controllers and the scheduler: Deployment, ReplicaSet, endpoints, namespaces, owner
//! garbage collection.
//!
//! One task follows the store's changes. Each change names objects to look at; a pass looks at them
//! in the order below, and what a step writes is looked at in the same pass. So from a scale write
//! to a pod on a node there are function calls and ordered writes; statuses and Events, for which
//! nobody waits, come last.
//!
//! ```text
//! Deployment -> ReplicaSet -> pod on a node -> statuses -> endpoints -> namespace -> collection
//! ```
//!
//! Invariant: a step decides by the store as it is, never by the event that named the object.

mod adopt;
mod deployment;
mod endpoints;
mod event;
mod feed;
mod gc;
mod graph;
mod namespace;
mod objects;
mod replicaset;
mod scheduler;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rouse_kit::{Clock, Shutdown};

use self::event::Notice;
use self::feed::Feed;
pub use self::objects::Removed;
use self::objects::{
    DEPLOYMENTS, FOREGROUND, NAMESPACES, NODES, ORPHAN, Objects, PODS, REPLICA_SETS,
    SERVICE_ACCOUNTS, SERVICES,
};
use self::scheduler::{Outcome, Seats};
use crate::kinds::Kinds;
use crate::store::{Change, Event, Key, Object, Store};
use rouse_apiserver::{Cluster, registry, store};
use rouse_schema::kinds;

/// How often old Events are looked for.
const EXPIRE: Duration = Duration::from_secs(60);

/// Something to look at. The order of the variants is the order within a pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Deployment(Key),
    ReplicaSet(Key),
    Pod(Key),
    ReplicaSetStatus(Key),
    DeploymentStatus(Key),
    Endpoints(Key),
    Collect(Key),
    Namespace(Key),
}

/// What the built-in controllers need to run.
pub struct Config {
    pub store: Store,
    pub kinds: Arc<Kinds>,
    pub clock: Clock,
    /// The certificate that pods are to trust, for `kube-root-ca.crt`.
    pub ca: String,
    /// Told the resource of every object that the controllers take out of the store: a CRD that is
    /// being deleted waits for its last object.
    pub removed: Removed,
}

impl Config {
    /// For the controllers of this cluster.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let registry = cluster.registry().clone();
        Self {
            store: registry.store.clone(),
            kinds: Arc::clone(&registry.kinds),
            clock: cluster.clock(),
            ca: cluster.ca().to_owned(),
            removed: Arc::new(move |resource| registry.crd_may_go(resource)),
        }
    }
}

/// Runs the built-in controllers until `shutdown`.
pub async fn run(config: Config, shutdown: Shutdown) {
    let Config { store, kinds, clock, ca, removed } = config;
    let mut feed = Feed::from_now(&store);
    let mut controllers = Controllers::new(Objects::new(store, kinds, clock, removed), ca);
    controllers.everything();
    let mut expire = tokio::time::interval(EXPIRE);
    loop {
        controllers.pass();
        if !controllers.work.is_empty() {
            // Its own writes wake this task at once: others of the runtime get their turn between.
            tokio::task::yield_now().await;
        }
        let again = controllers.next_time();
        tokio::select! {
            biased; // the end, then changes, then time
            () = shutdown.cancelled() => return,
            events = feed.next() => match events {
                Ok(events) => events.iter().for_each(|event| controllers.changed(event)),
                // Too far behind: the store itself says how things are.
                Err(_) => controllers.everything(),
            },
            () = tokio::time::sleep(again) => controllers.time_passed(),
            _ = expire.tick() => event::expire(&controllers.objects),
        }
    }
}

struct Controllers {
    objects: Objects,
    ca: String,
    work: BTreeSet<Work>,
    /// What the next pass goes on with, so that it holds up nothing else in this one.
    rest: BTreeSet<Work>,
    /// What to look at when time alone has changed it.
    later: BTreeMap<Work, Timestamp>,
    seats: Seats,
    /// Pods that fit nowhere yet.
    unscheduled: BTreeSet<Key>,
    /// Namespaces that are being emptied.
    terminating: BTreeSet<String>,
    notices: Vec<Notice>,
}

impl Controllers {
    fn new(objects: Objects, ca: String) -> Self {
        Self {
            objects,
            ca,
            work: BTreeSet::new(),
            rest: BTreeSet::new(),
            later: BTreeMap::new(),
            seats: Seats::default(),
            unscheduled: BTreeSet::new(),
            terminating: BTreeSet::new(),
            notices: Vec::new(),
        }
    }

    /// Looks at all there is, as after a start.
    fn everything(&mut self) {
        let resources = self.objects.store.resources();
        let lists: Vec<Vec<Arc<Object>>> = resources
            .iter()
            .map(|resource| self.objects.store.list(resource, None).objects)
            .collect();
        self.objects.graph(|graph| lists.iter().flatten().for_each(|object| graph.set(object)));
        self.seats = Seats::default();
        for object in lists.iter().flatten() {
            self.look_at(object);
            if !object.owners.is_empty() {
                self.work.insert(Work::Collect(object.key.clone()));
            }
        }
    }

    /// Takes one change in.
    fn changed(&mut self, event: &Event) {
        let object = &event.object;
        match event.change {
            Change::Added | Change::Modified => {
                self.objects.graph(|graph| graph.set(object));
                self.look_at(object);
                if event.change == Change::Added && !object.owners.is_empty() {
                    self.work.insert(Work::Collect(object.key.clone()));
                }
            }
            Change::Deleted => {
                self.objects.graph(|graph| graph.remove(object));
                self.gone(object);
            }
        }
    }

    /// Names what has to be looked at because of an object that is there.
    fn look_at(&mut self, object: &Object) {
        let key = &object.key;
        match &*key.resource {
            DEPLOYMENTS => self.deployment(key.clone()),
            REPLICA_SETS => {
                self.work.insert(Work::ReplicaSet(key.clone()));
                self.work.insert(Work::ReplicaSetStatus(key.clone()));
                if let Some(owner) = deployment::of(object) {
                    self.deployment(owner);
                }
            }
            PODS => {
                self.seats.set_pod(object);
                self.work.insert(Work::Pod(key.clone()));
                self.pod_changed(object);
            }
            NODES => {
                self.seats.set_node(object);
                self.try_unscheduled();
            }
            SERVICES => {
                self.work.insert(Work::Endpoints(key.clone()));
            }
            SERVICE_ACCOUNTS => self.account_came(&key.namespace),
            NAMESPACES => {
                if object.deletion_timestamp.is_some() {
                    self.terminating.insert(key.name.clone());
                }
                self.work.insert(Work::Namespace(key.clone()));
            }
            _ => {}
        }
        let waits = object.finalizers.iter().any(|f| f == FOREGROUND || f == ORPHAN);
        if object.deletion_timestamp.is_some() && waits {
            self.work.insert(Work::Collect(key.clone()));
        }
        self.namespace_of(key);
    }

    fn gone(&mut self, object: &Object) {
        let key = &object.key;
        for dependent in self.objects.graph(|graph| graph.dependents(&object.uid)) {
            self.work.insert(Work::Collect(dependent));
        }
        // An owner may have waited for this one.
        for owner in &object.owners {
            if let Some(owner) = self.objects.graph(|graph| graph.key(&owner.uid).cloned()) {
                self.work.insert(Work::Collect(owner));
            }
        }
        match &*key.resource {
            PODS => {
                self.seats.remove_pod(key);
                self.unscheduled.remove(key);
                self.pod_changed(object);
                self.try_unscheduled();
            }
            REPLICA_SETS => {
                if let Some(owner) = deployment::of(object) {
                    self.deployment(owner);
                }
            }
            NODES => self.seats.remove_node(&key.name),
            SERVICES => endpoints::removed(&self.objects, key),
            NAMESPACES => {
                self.terminating.remove(&key.name);
            }
            _ => {}
        }
        self.namespace_of(key);
    }

    fn deployment(&mut self, key: Key) {
        self.work.insert(Work::Deployment(key.clone()));
        self.work.insert(Work::DeploymentStatus(key));
    }

    fn pod_changed(&mut self, pod: &Object) {
        if let Some(owner) = pod.controller().filter(|owner| owner.kind == "ReplicaSet") {
            let set = Key::new(REPLICA_SETS, &pod.key.namespace, &owner.name);
            self.work.insert(Work::ReplicaSet(set.clone()));
            self.work.insert(Work::ReplicaSetStatus(set.clone()));
            // A Recreate rollout waits for pods, not for their ReplicaSet.
            if let Some(owner) = self.objects.store.get(&set).and_then(|set| deployment::of(&set)) {
                self.deployment(owner);
            }
        }
        for service in endpoints::of(&self.objects, pod) {
            self.work.insert(Work::Endpoints(service));
        }
    }

    /// Pods may have been refused for the lack of it.
    fn account_came(&mut self, namespace: &str) {
        for set in self.objects.store.list(REPLICA_SETS, Some(namespace)).objects {
            self.work.insert(Work::ReplicaSet(set.key.clone()));
            self.work.insert(Work::ReplicaSetStatus(set.key.clone()));
        }
    }

    fn try_unscheduled(&mut self) {
        self.work.extend(self.unscheduled.iter().cloned().map(Work::Pod));
    }

    fn namespace_of(&mut self, key: &Key) {
        if self.terminating.contains(&key.namespace) {
            self.work.insert(Work::Namespace(Key::new(NAMESPACES, "", &key.namespace)));
        }
    }

    /// Looks at everything that was named, until nothing is left to do.
    fn pass(&mut self) {
        while let Some(work) = self.work.pop_first() {
            self.step(work);
        }
        for notice in std::mem::take(&mut self.notices) {
            event::write(&self.objects, notice);
        }
        self.work.append(&mut self.rest);
    }

    fn step(&mut self, work: Work) {
        match &work {
            Work::Deployment(key) => {
                let (changed, notices) = deployment::roll(&self.objects, key);
                self.work.extend(changed.into_iter().map(Work::ReplicaSet));
                self.notices.extend(notices);
            }
            Work::ReplicaSet(key) => {
                let scaled = replicaset::scale(&self.objects, key);
                self.work.extend(scaled.created.into_iter().map(Work::Pod));
                self.notices.extend(scaled.notices);
                if scaled.again {
                    self.rest.insert(work);
                }
            }
            Work::Pod(key) => self.schedule(key),
            Work::ReplicaSetStatus(key) => {
                let next = replicaset::report(&self.objects, key);
                self.look_again(work, next);
            }
            Work::DeploymentStatus(key) => {
                let next = deployment::report(&self.objects, key);
                self.look_again(work, next);
            }
            Work::Endpoints(key) => endpoints::sync(&self.objects, key),
            Work::Collect(key) => gc::collect(&self.objects, key),
            Work::Namespace(key) => namespace::sync(&self.objects, key, &self.ca),
        }
    }

    /// Finds a place for a pod.
    fn schedule(&mut self, key: &Key) {
        match scheduler::schedule(&self.objects, &mut self.seats, key) {
            Outcome::Nothing => {
                self.unscheduled.remove(key);
            }
            Outcome::Bound(notice) => {
                self.unscheduled.remove(key);
                self.notices.push(notice);
            }
            Outcome::Waits(notice) => {
                self.unscheduled.insert(key.clone());
                self.notices.extend(notice);
            }
        }
    }

    fn look_again(&mut self, work: Work, at: Option<Timestamp>) {
        match at {
            Some(at) => self.later.insert(work, at),
            None => self.later.remove(&work),
        };
    }

    /// How long until something has to be looked at without an event.
    fn next_time(&self) -> Duration {
        if !self.work.is_empty() {
            return Duration::ZERO;
        }
        let next = self.later.values().min();
        next.map_or(EXPIRE, |at| {
            at.duration_since(self.objects.now()).try_into().unwrap_or_default()
        })
    }

    fn time_passed(&mut self) {
        let now = self.objects.now();
        let due: Vec<Work> =
            self.later.iter().filter(|(_, at)| **at <= now).map(|(work, _)| work.clone()).collect();
        for work in due {
            self.later.remove(&work);
            self.work.insert(work);
        }
    }
}

#[cfg(test)]
mod tests;

//! From a change in the store to the work that it causes.

use std::sync::Arc;

use rouse_apiserver::store::{Change, Event, Key, Object};
use rouse_k8s::keys::{FOREGROUND_DELETION, ORPHAN_DEPENDENTS};
use rouse_kit::panics;

use super::graph::Graph;
use super::objects::{
    AUTOSCALERS, DEFINITIONS, DEPLOYMENTS, NAMESPACES, NODES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS,
    SERVICES,
};
use super::pass::Pass;
use super::scheduler::Nodes;
use super::work::{Controller, Work};
use super::{deployment, endpoints};

impl Pass {
    /// Queues the work for every object, as after a start.
    pub(super) fn everything(&mut self) {
        let lists = self.index();
        for object in lists.iter().flatten() {
            self.guarded(object, |pass| {
                pass.look_at(object);
                if &*object.key.resource == AUTOSCALERS {
                    pass.push(Work::Autoscaler(object.key.clone()));
                }
                if !object.owners.is_empty() {
                    pass.push(Work::Collect(object.key.clone()));
                }
            });
        }
    }

    /// Rebuilds the indexes of owners and nodes from the store. Returns all objects.
    pub(super) fn index(&mut self) -> Vec<Vec<Arc<Object>>> {
        let resources = self.objects.store.resources();
        let lists: Vec<Vec<Arc<Object>>> = resources
            .iter()
            .map(|resource| self.objects.store.list(resource, None).objects)
            .collect();
        let mut graph = Graph::default();
        lists.iter().flatten().for_each(|object| graph.set(object));
        self.objects.graph(|old| {
            graph.remember(old);
            *old = graph;
        });
        self.nodes = Nodes::default();
        for object in lists.iter().flatten() {
            self.guarded(object, |pass| {
                pass.place(object);
            });
        }
        lists
    }

    /// Queues the work that one change causes.
    pub(super) fn changed(&mut self, event: &Event) {
        let object = &event.object;
        self.guarded(object, |pass| match event.change {
            Change::Added | Change::Modified => {
                pass.objects.graph(|graph| graph.set(object));
                pass.look_at(object);
                if event.change == Change::Added && !object.owners.is_empty() {
                    pass.push(Work::Collect(object.key.clone()));
                }
            }
            Change::Deleted => {
                pass.objects.graph(|graph| graph.remove(object));
                pass.gone(object);
            }
        });
    }

    /// An object that makes `look` panic is logged and skipped.
    fn guarded(&mut self, object: &Object, look: impl FnOnce(&mut Self)) {
        if let Err(panicked) = panics::catch(|| look(self)) {
            let Key { resource, namespace, name } = &object.key;
            tracing::error!(%resource, namespace, name, %panicked, "an object is skipped");
        }
    }

    /// Updates the scheduler's index of nodes and their pods. Returns whether a node may have more
    /// room than before.
    fn place(&mut self, object: &Object) -> bool {
        if !self.group.has(Controller::Scheduler) {
            return false;
        }
        match &*object.key.resource {
            PODS => self.nodes.set_pod(object),
            NODES => {
                self.nodes.set_node(object);
                true
            }
            _ => false,
        }
    }

    /// Queues the work for an object that was added or modified.
    fn look_at(&mut self, object: &Object) {
        let key = &object.key;
        if self.place(object) {
            self.try_unscheduled();
        }
        match &*key.resource {
            DEPLOYMENTS => self.deployment(key.clone()),
            REPLICA_SETS => {
                self.push(Work::ReplicaSet(key.clone()));
                self.push(Work::ReplicaSetStatus(key.clone()));
                if let Some(owner) = deployment::of(object) {
                    self.deployment(owner);
                }
            }
            PODS => {
                self.push(Work::Pod(key.clone()));
                self.pod_changed(object);
            }
            SERVICES => {
                self.push(Work::Endpoints(key.clone()));
            }
            AUTOSCALERS => self.autoscaler_changed(object),
            // Owners of this kind could not be looked up before.
            DEFINITIONS => {
                for dependent in self.objects.graph(|graph| graph.dangling()) {
                    self.push(Work::Collect(dependent));
                }
            }
            SERVICE_ACCOUNTS => self.service_account_added(&key.namespace),
            NAMESPACES => {
                if object.deletion_timestamp.is_some() {
                    self.terminating.insert(key.name.clone());
                }
                self.push(Work::Namespace(key.clone()));
            }
            _ => {}
        }
        let waits =
            object.finalizers.iter().any(|f| f == FOREGROUND_DELETION || f == ORPHAN_DEPENDENTS);
        if object.deletion_timestamp.is_some() && waits {
            self.push(Work::Collect(key.clone()));
        }
        self.namespace_of(key);
    }

    fn gone(&mut self, object: &Object) {
        let key = &object.key;
        for dependent in self.objects.graph(|graph| graph.dependents(&object.uid)) {
            self.push(Work::Collect(dependent));
        }
        // An owner may be waiting for this deletion.
        for owner in &object.owners {
            if let Some(owner) = self.objects.graph(|graph| graph.key(&owner.uid).cloned()) {
                self.push(Work::Collect(owner));
            }
        }
        match &*key.resource {
            PODS => {
                self.nodes.remove_pod(key);
                self.unscheduled.remove(key);
                self.pod_changed(object);
                self.try_unscheduled();
            }
            REPLICA_SETS => {
                if let Some(owner) = deployment::of(object) {
                    self.deployment(owner);
                }
            }
            NODES => self.nodes.remove_node(&key.name),
            AUTOSCALERS => self.push(Work::Autoscaler(key.clone())),
            SERVICES => {
                self.push(Work::Endpoints(key.clone()));
            }
            NAMESPACES => {
                self.terminating.remove(&key.name);
            }
            _ => {}
        }
        self.namespace_of(key);
    }

    fn deployment(&mut self, key: Key) {
        self.push(Work::Deployment(key.clone()));
        self.push(Work::DeploymentStatus(key));
    }

    fn pod_changed(&mut self, pod: &Object) {
        if let Some(owner) = pod.controller().filter(|owner| owner.kind == "ReplicaSet") {
            let set = Key::new(REPLICA_SETS, &pod.key.namespace, &owner.name);
            self.push(Work::ReplicaSet(set.clone()));
            self.push(Work::ReplicaSetStatus(set.clone()));
            // A Recreate rollout waits for pods, not for their ReplicaSet.
            if let Some(owner) = self.objects.store.get(&set).and_then(|set| deployment::of(&set)) {
                self.deployment(owner);
            }
        }
        if self.group.has(Controller::Endpoints) {
            for service in endpoints::of(&self.objects, pod) {
                self.push(Work::Endpoints(service));
            }
        }
    }

    /// Retries ReplicaSets, whose pods may have been refused without the service account.
    fn service_account_added(&mut self, namespace: &str) {
        if !self.group.has(Controller::ReplicaSet) {
            return;
        }
        for set in self.objects.store.list(REPLICA_SETS, Some(namespace)).objects {
            self.push(Work::ReplicaSet(set.key.clone()));
            self.push(Work::ReplicaSetStatus(set.key.clone()));
        }
    }

    pub(super) fn try_unscheduled(&mut self) {
        for pod in self.unscheduled.iter().cloned().collect::<Vec<_>>() {
            self.push(Work::Pod(pod));
        }
    }

    /// Queues an autoscaler whose spec has changed; its own status comes back as a change too.
    fn autoscaler_changed(&mut self, object: &Object) {
        if self.histories.is_news(&object.key, &object.value()["spec"]) {
            self.push(Work::Autoscaler(object.key.clone()));
        }
    }

    fn namespace_of(&mut self, key: &Key) {
        if self.terminating.contains(&key.namespace) {
            self.push(Work::Namespace(Key::new(NAMESPACES, "", &key.namespace)));
        }
    }
}

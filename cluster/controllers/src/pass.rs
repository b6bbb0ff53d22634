//! A group's work queue, now and later, and the steps that do the work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rouse_apiserver::store::Key;
use rouse_k8s::time;
use rouse_kit::panics;

use super::autoscaling::{self, Histories, PodMetrics};
use super::failures::{Failures, StepError};
use super::metrics::{Ended, Reconciles};
use super::objects::Objects;
use super::recorder::{self, Notice};
use super::scheduler::{Nodes, Outcome};
use super::work::{Group, Next, Work};
use super::{deployment, endpoints, gc, namespace, replicaset, scheduler};

/// The longest sleep without an event.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

pub(super) struct Pass {
    pub(super) group: Group,
    pub(super) objects: Objects,
    ca: String,
    metrics: Arc<dyn PodMetrics>,
    pub(super) histories: Histories,
    work: BTreeSet<Work>,
    /// Work for the next pass, so that it delays nothing else in this one.
    rest: BTreeSet<Work>,
    /// Work that is due at a time.
    later: BTreeMap<Work, Timestamp>,
    failures: Failures,
    pub(super) nodes: Nodes,
    /// Pods that fit no node yet.
    pub(super) unscheduled: BTreeSet<Key>,
    /// Namespaces that are being emptied.
    pub(super) terminating: BTreeSet<String>,
    notices: Vec<Notice>,
    reconciles: Reconciles,
    /// A key whose step is to panic.
    #[cfg(test)]
    pub(super) poisoned: Option<Key>,
}

impl Pass {
    pub(super) fn new(
        group: Group,
        objects: Objects,
        ca: String,
        metrics: Arc<dyn PodMetrics>,
        reconciles: Reconciles,
    ) -> Self {
        Self {
            group,
            objects,
            ca,
            metrics,
            histories: Histories::default(),
            work: BTreeSet::new(),
            rest: BTreeSet::new(),
            later: BTreeMap::new(),
            failures: Failures::default(),
            nodes: Nodes::default(),
            unscheduled: BTreeSet::new(),
            terminating: BTreeSet::new(),
            notices: Vec::new(),
            reconciles,
            #[cfg(test)]
            poisoned: None,
        }
    }

    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(super) fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// Queues work that is this group's and not set aside.
    pub(super) fn push(&mut self, work: Work) {
        if self.group.has(work.controller()) && !self.failures.set_aside(&work, self.objects.now())
        {
            self.work.insert(work);
        }
    }

    /// Does the queued work, and the work that it causes, until none is left.
    pub(super) fn run(&mut self) {
        while let Some(work) = self.work.pop_first() {
            self.step(work);
        }
        for notice in std::mem::take(&mut self.notices) {
            recorder::write(&self.objects, notice);
        }
        self.work.append(&mut self.rest);
    }

    fn step(&mut self, work: Work) {
        let started = Instant::now();
        let mut next = Next::default();
        let done = panics::catch(|| self.reconcile(&work, &mut next))
            .map_err(StepError::from)
            .and_then(|done| done.map_err(StepError::from));
        let ended = match &done {
            Ok(()) => Ended::Success,
            Err(StepError::Refused(_)) => Ended::Error,
            Err(StepError::Panicked(_)) => Ended::Panic,
        };
        self.reconciles.count(work.controller(), ended, started.elapsed());
        let Next { work: named, again, at, notices } = next;
        named.into_iter().for_each(|named| self.push(named));
        self.notices.extend(notices);
        match done {
            Ok(()) => {
                let mended = self.failures.succeeded(&work);
                if again {
                    self.rest.insert(work);
                } else if let Some(at) = at {
                    self.later.insert(work, at);
                } else if mended || !self.later.is_empty() {
                    self.later.remove(&work);
                }
            }
            Err(error) => self.failed(work, &error),
        }
    }

    fn failed(&mut self, work: Work, error: &StepError) {
        let (until, first) = self.failures.failed(&work, error, self.objects.now());
        let controller = work.controller().as_str();
        let Key { resource, namespace, name } = work.key();
        if let StepError::Panicked(panicked) = error {
            tracing::error!(controller, %resource, namespace, name, %panicked, "set aside");
            // The step may have left the indexes half updated.
            self.index();
            if let Some(object) = self.objects.store.get(work.key()) {
                self.notices.push(Notice {
                    about: recorder::about(&object),
                    component: controller,
                    warning: true,
                    reason: "InternalError",
                    message: error.to_string(),
                });
            }
        } else if first {
            tracing::warn!(controller, %resource, namespace, name, %error, "refused; tried again");
        } else {
            tracing::debug!(controller, %resource, namespace, name, %error, "refused again");
        }
        self.later.insert(work, until);
    }

    fn reconcile(
        &mut self,
        work: &Work,
        next: &mut Next,
    ) -> Result<(), rouse_apiserver::status::Failure> {
        #[cfg(test)]
        assert!(self.poisoned.as_ref() != Some(work.key()), "poisoned");
        match work {
            Work::Deployment(key) => deployment::roll(&self.objects, key, next),
            Work::ReplicaSet(key) => replicaset::scale(&self.objects, key, next),
            Work::Pod(key) => self.schedule(key, next),
            Work::ReplicaSetStatus(key) => replicaset::report(&self.objects, key, next),
            Work::DeploymentStatus(key) => deployment::report(&self.objects, key, next),
            Work::Autoscaler(key) => {
                let (metrics, histories) = (self.metrics.as_ref(), &mut self.histories);
                autoscaling::sync(&self.objects, metrics, histories, key, next)
            }
            Work::Endpoints(key) => endpoints::sync(&self.objects, key),
            Work::Collect(key) => gc::collect(&self.objects, key),
            Work::Namespace(key) => namespace::sync(&self.objects, key, &self.ca),
        }
    }

    /// Schedules a pod.
    fn schedule(
        &mut self,
        key: &Key,
        next: &mut Next,
    ) -> Result<(), rouse_apiserver::status::Failure> {
        match scheduler::schedule(&self.objects, &mut self.nodes, key)? {
            Outcome::Nothing => {
                self.unscheduled.remove(key);
            }
            Outcome::Bound(notice) => {
                self.unscheduled.remove(key);
                next.notices.push(notice);
            }
            Outcome::Waits(notice) => {
                self.unscheduled.insert(key.clone());
                next.notices.extend(notice);
            }
        }
        Ok(())
    }

    /// The time until work is due without an event.
    pub(super) fn next_time(&self) -> Duration {
        if self.has_work() {
            return Duration::ZERO;
        }
        let next = self.later.values().min();
        next.map_or(LONGEST_SLEEP, |at| time::since(self.objects.now(), *at).min(LONGEST_SLEEP))
    }

    pub(super) fn time_passed(&mut self) {
        let now = self.objects.now();
        let due: Vec<Work> =
            self.later.iter().filter(|(_, at)| **at <= now).map(|(work, _)| work.clone()).collect();
        for work in due {
            self.later.remove(&work);
            self.work.insert(work);
        }
    }
}

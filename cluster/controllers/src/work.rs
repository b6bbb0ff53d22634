//! The work of the controllers, and the further work that a step causes.

use jiff::Timestamp;
use rouse_apiserver::store::Key;

use super::recorder::Notice;

/// A built-in controller. Named as upstream's in `controller_runtime_reconcile_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Controller {
    Deployment,
    ReplicaSet,
    Scheduler,
    HorizontalPodAutoscaler,
    Endpoints,
    GarbageCollector,
    Namespace,
}

impl Controller {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::ReplicaSet => "replicaset",
            Self::Scheduler => "scheduler",
            Self::HorizontalPodAutoscaler => "horizontalpodautoscaler",
            Self::Endpoints => "endpoints",
            Self::GarbageCollector => "garbage-collector",
            Self::Namespace => "namespace",
        }
    }
}

/// Controllers that share a task: the work that one's writes cause is done in the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) controllers: &'static [Controller],
}

impl Group {
    pub(super) fn has(self, controller: Controller) -> bool {
        self.controllers.contains(&controller)
    }
}

/// This task also deletes old Events, for it has the least to do.
pub(super) const NAMESPACES: Group =
    Group { name: "namespaces", controllers: &[Controller::Namespace] };

pub(super) const GROUPS: [Group; 5] = [
    Group {
        name: "workloads",
        controllers: &[Controller::Deployment, Controller::ReplicaSet, Controller::Scheduler],
    },
    Group { name: "autoscaling", controllers: &[Controller::HorizontalPodAutoscaler] },
    Group { name: "endpoints", controllers: &[Controller::Endpoints] },
    Group { name: "garbage-collection", controllers: &[Controller::GarbageCollector] },
    NAMESPACES,
];

/// An object to reconcile. The order of the variants is the order within a pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Deployment(Key),
    ReplicaSet(Key),
    Pod(Key),
    ReplicaSetStatus(Key),
    DeploymentStatus(Key),
    Autoscaler(Key),
    Endpoints(Key),
    Collect(Key),
    Namespace(Key),
}

impl Work {
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Deployment(key)
            | Self::ReplicaSet(key)
            | Self::Pod(key)
            | Self::ReplicaSetStatus(key)
            | Self::DeploymentStatus(key)
            | Self::Autoscaler(key)
            | Self::Endpoints(key)
            | Self::Collect(key)
            | Self::Namespace(key) => key,
        }
    }

    pub(super) fn controller(&self) -> Controller {
        match self {
            Self::Deployment(_) | Self::DeploymentStatus(_) => Controller::Deployment,
            Self::ReplicaSet(_) | Self::ReplicaSetStatus(_) => Controller::ReplicaSet,
            Self::Pod(_) => Controller::Scheduler,
            Self::Autoscaler(_) => Controller::HorizontalPodAutoscaler,
            Self::Endpoints(_) => Controller::Endpoints,
            Self::Collect(_) => Controller::GarbageCollector,
            Self::Namespace(_) => Controller::Namespace,
        }
    }
}

/// Work that a step causes, also when it fails midway.
#[derive(Debug, Default)]
pub(super) struct Next {
    /// Work for the same pass.
    pub(super) work: Vec<Work>,
    /// The same work again in the next pass, after everything else that waits.
    pub(super) again: bool,
    /// When to do the same work again without an event.
    pub(super) at: Option<Timestamp>,
    pub(super) notices: Vec<Notice>,
}

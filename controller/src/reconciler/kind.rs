//! The parts of a reconciler: how its kind is observed and decided on.

use std::fmt::Debug;

use jiff::Timestamp;
use kube::Resource;
use rouse_k8s::ObjectKey;
use rouse_kit::{ApplyError, Plan};
use serde::Serialize;

use crate::lookups::Answered;

/// Observes the objects of one kind and plans writes for them.
pub(crate) trait Reconciler: Send + Sync + 'static {
    type Kind: Resource<DynamicType = ()> + Clone + Debug + Serialize + Send + Sync + 'static;
    type Status: Serialize + Send + Sync + 'static;
    /// Everything that the plan is made from, besides the object and the time.
    type Observed: Send + Sync;
    /// A question that a plan may have to others.
    type Lookup: Send;
    const NAME: &'static str;

    /// Gathers local copies, settings, and what lookups have answered so far.
    fn observe(&self, object: &Self::Kind) -> Self::Observed;

    /// Decides. Pure.
    fn plan(
        object: &Self::Kind,
        seen: &Self::Observed,
        now: Timestamp,
    ) -> Planned<Self::Status, Self::Lookup>;

    /// Starts a lookup that a plan asked for.
    fn look_up(&self, object: &Self::Kind, lookup: Self::Lookup) -> Answered;

    /// What the user should read after the server refused a write of the plan for good; None
    /// where the kind says nothing of it. Pure.
    fn refused(_object: &Self::Kind, _error: &ApplyError, _now: Timestamp) -> Option<Self::Status> {
        None
    }

    /// The object is gone: whatever is remembered of it can go.
    fn forget(&self, key: &ObjectKey) {
        let _ = key;
    }
}

/// A plan, and what has to be asked before a better one can be made.
pub(crate) struct Planned<S, L> {
    pub(crate) plan: Plan<S>,
    pub(crate) lookup: Option<L>,
}

/// The lookup of a reconciler that has none.
pub(crate) enum NoLookup {}

impl NoLookup {
    /// There is no such lookup to start.
    pub(crate) fn start(self) -> Answered {
        match self {}
    }
}

impl<S, L> From<Plan<S>> for Planned<S, L> {
    fn from(plan: Plan<S>) -> Self {
        Self { plan, lookup: None }
    }
}

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
    /// A lookup that a plan may request.
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

    /// The status after the API server refused a write of the plan for good; None where the kind
    /// does not report it. Pure.
    fn refused(_object: &Self::Kind, _error: &ApplyError, _now: Timestamp) -> Option<Self::Status> {
        None
    }

    /// The object was deleted: drops what is cached for it.
    fn forget(&self, key: &ObjectKey) {
        let _ = key;
    }
}

/// A plan, and the lookup whose answer would change it.
pub(crate) struct Planned<S, L> {
    pub(crate) plan: Plan<S>,
    pub(crate) lookup: Option<L>,
}

/// The lookup of a reconciler that has none.
pub(crate) enum NoLookup {}

impl NoLookup {
    /// Never called, since the type has no values.
    pub(crate) fn start(self) -> Answered {
        match self {}
    }
}

impl<S, L> From<Plan<S>> for Planned<S, L> {
    fn from(plan: Plan<S>) -> Self {
        Self { plan, lookup: None }
    }
}

//! One thing that changed, as the watches tell the directory.

use std::sync::Arc;

use rouse_api::routing::Routing;
use rouse_k8s::ObjectKey;
use tokio::sync::oneshot;

use crate::state::keys::RouteKey;
use crate::state::pod::Pod;
use crate::state::readiness::PodFacts;
use crate::state::settings::Settings;

/// Something that the activator has to know. `None` is: it is gone.
#[derive(Debug)]
pub(crate) enum Change {
    Route(RouteKey, Option<Arc<Routing>>),
    Revision(ObjectKey, Option<Arc<Settings>>),
    Pod(ObjectKey, Option<Arc<PodFacts>>),
    /// Nothing more is to be sent to this pod. Answered once nothing is.
    GiveUp(GiveUp),
    /// Why what is known may be old, or that it is not.
    Outage(Option<String>),
    /// All objects that exist were told.
    Complete,
}

/// A pod that its node is about to end.
#[derive(Debug)]
pub(crate) struct GiveUp {
    pub(crate) pod: ObjectKey,
    pub(crate) uid: String,
    /// Told the pod that requests may still be in, if it was ever used.
    pub(crate) done: oneshot::Sender<Option<Arc<Pod>>>,
}

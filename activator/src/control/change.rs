//! Changes that the directory applies.

use std::sync::Arc;

use rouse_api::routing::Routing;
use rouse_k8s::ObjectKey;
use rustls::sign::CertifiedKey;
use tokio::sync::oneshot;

use crate::state::keys::RouteKey;
use crate::state::pod::Pod;
use crate::state::readiness::PodFacts;
use crate::state::settings::Settings;

/// A change of an object or of the watches. `None` means that the object is gone.
#[derive(Debug)]
pub(crate) enum Change {
    Route(RouteKey, Option<Arc<Routing>>),
    Revision(ObjectKey, Option<Arc<Settings>>),
    Pod(ObjectKey, Option<Arc<PodFacts>>),
    /// The certificate of a Secret; `None` also if the Secret has no usable one.
    Certificate(ObjectKey, Option<Arc<CertifiedKey>>),
    /// No more requests may be sent to this pod. Answered once that is ensured.
    GiveUp(GiveUp),
    /// Why the mirrored objects may be stale; `None` if they are not.
    Outage(Option<String>),
    /// All objects that existed at the start have been sent.
    Complete,
}

/// A pod that its node is about to terminate.
#[derive(Debug)]
pub(crate) struct GiveUp {
    pub(crate) pod: ObjectKey,
    pub(crate) uid: String,
    /// Receives the pod, if it was ever used: requests may still be in it.
    pub(crate) done: oneshot::Sender<Option<Arc<Pod>>>,
}

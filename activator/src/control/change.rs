//! One thing that changed, as the watches tell the directory.

use std::sync::Arc;

use rouse_api::routing::Routing;
use rouse_k8s::ObjectKey;

use crate::state::keys::RouteKey;
use crate::state::readiness::PodFacts;
use crate::state::settings::Settings;

/// Something that the activator has to know. `None` is: it is gone.
#[derive(Debug)]
pub(crate) enum Change {
    Route(RouteKey, Option<Arc<Routing>>),
    Revision(ObjectKey, Option<Arc<Settings>>),
    Pod(ObjectKey, Option<Arc<PodFacts>>),
    /// All objects that exist were told.
    Complete,
}

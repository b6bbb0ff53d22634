//! One thing that changed, as the watches tell the directory.

use rouse_api::routing::Routing;

use crate::state::keys::{PodKey, RevisionKey, RouteKey};
use crate::state::readiness::PodFacts;
use crate::state::settings::Settings;

/// Something that the activator has to know. `None` is: it is gone.
#[derive(Debug)]
pub(crate) enum Change {
    Route(RouteKey, Option<Routing>),
    Revision(RevisionKey, Option<Settings>),
    Pod(PodKey, Option<PodFacts>),
    /// All objects that exist were told.
    Complete,
}

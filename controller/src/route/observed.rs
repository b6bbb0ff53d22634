//! Everything that the decision on a Route looks at.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service as CoreService;
use rouse_api::config::ApiConfig;
use rouse_api::{Configuration, Revision};

use crate::lookups::served::Serving;
use crate::objects::gateway::Gateway;

/// All the decision may look at.
pub(crate) struct Observed {
    pub(super) configurations: BTreeMap<String, Arc<Configuration>>,
    /// All of the namespace.
    pub(super) revisions: BTreeMap<String, Arc<Revision>>,
    /// Core Services that are ours.
    pub(super) placeholders: Vec<Arc<CoreService>>,
    /// Core Services of other owners that have a name which the Route needs.
    pub(super) foreign_services: Vec<String>,
    pub(super) gateway: Gateway,
    /// How far activators are.
    pub(super) serving: Serving,
    pub(super) config: Arc<ApiConfig>,
}

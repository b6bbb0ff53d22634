//! The inputs of the decision on a Route.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service as CoreService;
use rouse_api::config::ApiConfig;
use rouse_api::{Configuration, Revision};

use crate::lookups::served::Serving;
use crate::objects::gateway::Gateway;

/// All inputs of the decision.
pub(crate) struct Observed {
    pub(super) configurations: BTreeMap<String, Arc<Configuration>>,
    /// All Revisions of the namespace.
    pub(super) revisions: BTreeMap<String, Arc<Revision>>,
    /// Core Services that the Route controls.
    pub(super) placeholders: Vec<Arc<CoreService>>,
    /// Core Services of other owners that have a name which the Route needs.
    pub(super) foreign_services: Vec<String>,
    pub(super) gateway: Gateway,
    /// Whether activators serve the written routing.
    pub(super) serving: Serving,
    pub(super) config: Arc<ApiConfig>,
}

//! Revision: its Deployment and PodAutoscaler, and what their state means to users.

mod autoscaler;
mod deployment;
mod desired;
mod observed;
mod pods;
mod probes;
mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rouse_api::config::ApiConfig;
use rouse_api::meta::deployment_name;
use rouse_api::{Revision, RevisionStatus};
use rouse_kit::{ApplyError, Clock, Live, Plan};

use self::desired::desired;
use self::observed::{Observed, Settings};
use crate::lookups::images::Pins;
use crate::objects::meta::{name, namespace};
use crate::reconciler::Reconciler;
use crate::watched::stores::{Stores, get};

pub(crate) struct Revisions {
    pub(crate) stores: Stores,
    pub(crate) pins: Pins,
    pub(crate) config: Live<ApiConfig>,
    /// How long a pod keeps serving after its deletion was decided.
    pub(crate) drain: Duration,
    pub(crate) clock: Clock,
}

impl Reconciler for Revisions {
    type Kind = Revision;
    type Status = RevisionStatus;
    const NAME: &'static str = "revision";

    fn plan(&self, revision: &Revision) -> Plan<RevisionStatus> {
        let namespace = namespace(revision);
        let config = self.config.get();
        let skipped = &config.deployment.registries_skipping_tag_resolving;
        let seen = Observed {
            images: self.pins.look(revision, skipped),
            deployment: get(&self.stores.deployments, namespace, &deployment_name(name(revision))),
            autoscaler: get(&self.stores.autoscalers, namespace, name(revision)),
            pods: self.stores.pods_of(revision),
            gone_routes: self.stores.gone_routes(revision),
        };
        let settings = Settings { config: &config, drain: self.drain };
        desired(revision, &seen, &settings, self.clock.now())
    }

    fn refused(&self, revision: &Revision, error: &ApplyError) -> Option<RevisionStatus> {
        error.is_final().then(|| status::refused(revision, error, self.clock.now()))
    }

    fn forget(&self, namespace: &str, name: &str) {
        self.pins.forget(namespace, name);
    }
}

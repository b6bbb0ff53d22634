//! Revision: its Deployment and PodAutoscaler, and what their state means to users.

mod autoscaler;
mod deployment;
mod desired;
mod notes;
mod observed;
mod pods;
mod probes;
mod restore;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use rouse_api::config::ApiConfig;
use rouse_api::names::deployment_name;
use rouse_api::{Revision, RevisionStatus};
use rouse_k8s::ObjectKey;
use rouse_kit::{ApplyError, Live};

pub(crate) use self::deployment::pod_of;
use self::desired::desired;
use self::observed::{Observed, Settings};
use crate::lookups::Answered;
use crate::lookups::images::{ImageLookup, Pins};
use crate::objects::meta::{name, namespace};
use crate::reconciler::{Planned, Reconciler};
use crate::watched::stores::{Stores, get};

pub(crate) struct Revisions {
    pub(crate) stores: Stores,
    pub(crate) pins: Pins,
    pub(crate) config: Live<ApiConfig>,
    /// How long a pod keeps serving after its deletion was decided.
    pub(crate) drain: Duration,
}

impl Reconciler for Revisions {
    type Kind = Revision;
    type Status = RevisionStatus;
    type Observed = Observed;
    type Lookup = ImageLookup;
    const NAME: &'static str = "revision";

    fn observe(&self, revision: &Revision) -> Observed {
        let namespace = namespace(revision);
        Observed {
            images: self.pins.known(revision),
            deployment: get(&self.stores.deployments, namespace, &deployment_name(name(revision))),
            autoscaler: get(&self.stores.autoscalers, namespace, name(revision)),
            pods: self.stores.pods_of(revision),
            gone_routes: self.stores.gone_routes(revision),
            settings: Settings {
                service_scale: self.stores.service_scale(revision),
                config: self.config.get(),
                drain: self.drain,
            },
        }
    }

    fn plan(
        revision: &Revision,
        seen: &Observed,
        now: Timestamp,
    ) -> Planned<RevisionStatus, ImageLookup> {
        desired(revision, seen, now)
    }

    fn look_up(&self, revision: &Revision, lookup: ImageLookup) -> Answered {
        self.pins.look_up(revision, lookup)
    }

    fn refused(revision: &Revision, error: &ApplyError, now: Timestamp) -> Option<RevisionStatus> {
        Some(status::refused(revision, error, now))
    }

    fn forget(&self, key: &ObjectKey) {
        self.pins.forget(key);
    }
}

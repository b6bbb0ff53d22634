//! Garbage collection: Revisions that no Route uses any more, by age and number.

mod desired;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use rouse_api::config::ApiConfig;
use rouse_api::{Configuration, ConfigurationStatus, Revision};
use rouse_kit::Live;

use self::desired::desired;
use crate::lookups::Answered;
use crate::reconciler::{NoLookup, Planned, Reconciler};
use crate::watched::stores::Stores;

pub(crate) struct Collections {
    pub(crate) stores: Stores,
    pub(crate) config: Live<ApiConfig>,
}

/// All inputs of the decision.
pub(crate) struct Observed {
    revisions: Vec<Arc<Revision>>,
    config: Arc<ApiConfig>,
}

impl Reconciler for Collections {
    type Kind = Configuration;
    type Status = ConfigurationStatus;
    type Observed = Observed;
    type Lookup = NoLookup;
    const NAME: &'static str = "gc";

    fn observe(&self, configuration: &Configuration) -> Observed {
        let revisions = self.stores.revisions_of(configuration);
        Observed { revisions, config: self.config.get() }
    }

    fn plan(
        configuration: &Configuration,
        seen: &Observed,
        now: Timestamp,
    ) -> Planned<ConfigurationStatus, NoLookup> {
        desired(configuration, &seen.revisions, &seen.config.gc, now).into()
    }

    fn look_up(&self, _: &Configuration, lookup: NoLookup) -> Answered {
        lookup.start()
    }
}

//! Garbage collection: Revisions that no Route uses any more, by age and number.

mod desired;
#[cfg(test)]
mod tests;

use rouse_api::config::ApiConfig;
use rouse_api::{Configuration, ConfigurationStatus};
use rouse_kit::{ApplyError, Clock, Live, Plan};

use self::desired::desired;
use crate::reconciler::Reconciler;
use crate::watched::stores::Stores;

pub(crate) struct Collections {
    pub(crate) stores: Stores,
    pub(crate) config: Live<ApiConfig>,
    pub(crate) clock: Clock,
}

impl Reconciler for Collections {
    type Kind = Configuration;
    type Status = ConfigurationStatus;
    const NAME: &'static str = "gc";

    fn plan(&self, configuration: &Configuration) -> Plan<ConfigurationStatus> {
        let revisions = self.stores.revisions_of(configuration);
        desired(configuration, &revisions, &self.config.get().gc, self.clock.now())
    }

    fn refused(&self, _: &Configuration, _: &ApplyError) -> Option<ConfigurationStatus> {
        None
    }
}

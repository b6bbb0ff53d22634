//! Configuration: stamps a Revision for each generation of its template.

mod desired;
mod revision;
mod status;
#[cfg(test)]
mod tests;

use rouse_api::{Configuration, ConfigurationStatus};
use rouse_kit::{ApplyError, Clock, Plan};

use self::desired::{Observed, desired, newest_first};
use crate::objects::meta::namespace;
use crate::reconciler::Reconciler;
use crate::watched::stores::{Stores, get};

pub(crate) struct Configurations {
    pub(crate) stores: Stores,
    pub(crate) clock: Clock,
}

impl Reconciler for Configurations {
    type Kind = Configuration;
    type Status = ConfigurationStatus;
    const NAME: &'static str = "configuration";

    fn plan(&self, configuration: &Configuration) -> Plan<ConfigurationStatus> {
        let wanted = revision::name_for(configuration);
        let mut owned = self.stores.revisions_of(configuration);
        newest_first(&mut owned);
        let seen = Observed {
            named: get(&self.stores.revisions, namespace(configuration), &wanted),
            owned,
            gone_routes: self.stores.gone_routes(configuration),
        };
        desired(configuration, &seen, self.clock.now())
    }

    fn refused(
        &self,
        configuration: &Configuration,
        error: &ApplyError,
    ) -> Option<ConfigurationStatus> {
        error.is_final().then(|| status::creation_failed(configuration, error, self.clock.now()))
    }
}

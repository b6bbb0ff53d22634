//! Configuration: stamps a Revision for each generation of its template.

mod desired;
mod revision;
mod status;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use rouse_api::{Configuration, ConfigurationStatus};
use rouse_kit::ApplyError;

use self::desired::{Observed, desired, newest_first};
use crate::lookups::Answered;
use crate::objects::meta::namespace;
use crate::reconciler::{NoLookup, Planned, Reconciler};
use crate::watched::stores::{Stores, get};

pub(crate) struct Configurations {
    pub(crate) stores: Stores,
}

impl Reconciler for Configurations {
    type Kind = Configuration;
    type Status = ConfigurationStatus;
    type Observed = Observed;
    type Lookup = NoLookup;
    const NAME: &'static str = "configuration";

    fn observe(&self, configuration: &Configuration) -> Observed {
        let wanted = revision::name_for(configuration);
        let mut owned = self.stores.revisions_of(configuration);
        newest_first(&mut owned);
        Observed {
            named: get(&self.stores.revisions, namespace(configuration), &wanted),
            owned,
            gone_routes: self.stores.gone_routes(configuration),
        }
    }

    fn plan(
        configuration: &Configuration,
        seen: &Observed,
        now: Timestamp,
    ) -> Planned<ConfigurationStatus, NoLookup> {
        desired(configuration, seen, now).into()
    }

    fn look_up(&self, _: &Configuration, lookup: NoLookup) -> Answered {
        lookup.start()
    }

    fn refused(
        configuration: &Configuration,
        error: &ApplyError,
        now: Timestamp,
    ) -> Option<ConfigurationStatus> {
        Some(status::creation_failed(configuration, error, now))
    }
}

//! Service: a Configuration and a Route of the same name, managed as one.

mod desired;
mod status;
#[cfg(test)]
mod tests;

use rouse_api::{Service, ServiceStatus};
use rouse_kit::{ApplyError, Clock, Plan};

use self::desired::{Observed, desired};
pub(crate) use self::status::NAME_TAKEN_SUFFIX;
use crate::objects::meta::{name, namespace};
use crate::reconciler::Reconciler;
use crate::watched::stores::{Stores, get};

pub(crate) struct Services {
    pub(crate) stores: Stores,
    pub(crate) clock: Clock,
}

impl Reconciler for Services {
    type Kind = Service;
    type Status = ServiceStatus;
    const NAME: &'static str = "service";

    fn plan(&self, service: &Service) -> Plan<ServiceStatus> {
        let (namespace, name) = (namespace(service), name(service));
        let seen = Observed {
            configuration: get(&self.stores.configurations, namespace, name),
            route: get(&self.stores.routes, namespace, name),
        };
        desired(service, &seen, self.clock.now())
    }

    fn refused(&self, service: &Service, error: &ApplyError) -> Option<ServiceStatus> {
        error.is_final().then(|| status::refused(service, error, self.clock.now()))
    }
}

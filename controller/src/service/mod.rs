//! Service: a Configuration and a Route of the same name, managed as one.

mod desired;
mod status;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use rouse_api::{Service, ServiceStatus};
use rouse_kit::ApplyError;

use self::desired::{Observed, desired};
use crate::lookups::Answered;
use crate::objects::meta::{name, namespace};
use crate::reconciler::{NoLookup, Planned, Reconciler};
use crate::watched::stores::{Stores, get};

pub(crate) struct Services {
    pub(crate) stores: Stores,
}

impl Reconciler for Services {
    type Kind = Service;
    type Status = ServiceStatus;
    type Observed = Observed;
    type Lookup = NoLookup;
    const NAME: &'static str = "service";

    fn observe(&self, service: &Service) -> Observed {
        let (namespace, name) = (namespace(service), name(service));
        let chosen = service.spec.template.metadata.name.as_deref();
        Observed {
            configuration: get(&self.stores.configurations, namespace, name),
            route: get(&self.stores.routes, namespace, name),
            named: chosen.and_then(|chosen| get(&self.stores.revisions, namespace, chosen)),
        }
    }

    fn plan(
        service: &Service,
        seen: &Observed,
        now: Timestamp,
    ) -> Planned<ServiceStatus, NoLookup> {
        desired(service, seen, now).into()
    }

    fn look_up(&self, _: &Service, lookup: NoLookup) -> Answered {
        lookup.start()
    }

    fn refused(service: &Service, error: &ApplyError, now: Timestamp) -> Option<ServiceStatus> {
        Some(status::refused(service, error, now))
    }
}

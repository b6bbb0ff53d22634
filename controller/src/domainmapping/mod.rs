//! DomainMapping: a domain of the user's own for a Service or Route.

mod desired;
mod status;
#[cfg(test)]
mod tests;

use kube::runtime::reflector::ObjectRef;
use rouse_api::config::ApiConfig;
use rouse_api::{DomainMapping, DomainMappingStatus};
use rouse_kit::{ApplyError, Clock, Live, Plan};

use self::desired::{Observed, Settings, Target, desired};
use crate::lookups::served::Served;
use crate::objects::meta::{name, namespace};
use crate::reconciler::Reconciler;
use crate::watched::stores::{Stores, get};

pub(crate) struct DomainMappings {
    pub(crate) stores: Stores,
    pub(crate) served: Served<DomainMapping>,
    pub(crate) config: Live<ApiConfig>,
    pub(crate) clock: Clock,
}

impl Reconciler for DomainMappings {
    type Kind = DomainMapping;
    type Status = DomainMappingStatus;
    const NAME: &'static str = "domainmapping";

    fn plan(&self, mapping: &DomainMapping) -> Plan<DomainMappingStatus> {
        let claim = self.stores.claims.get(&ObjectRef::new(name(mapping)));
        let holder = claim.as_ref().map(|claim| claim.spec.namespace.as_str());
        let held = holder.is_some_and(|holder| {
            get(&self.stores.domain_mappings, holder, name(mapping)).is_some()
        });
        let written = mapping.status.as_ref().and_then(|status| status.routing.as_ref());
        let config = self.config.get();
        let seen = Observed {
            claim,
            held,
            target: self.target(mapping),
            gateway: self.stores.gateway(),
            served: self.served.look(mapping, written.map(|routing| routing.version)),
        };
        desired(mapping, &seen, &Settings { config: &config }, self.clock.now())
    }

    fn refused(&self, mapping: &DomainMapping, error: &ApplyError) -> Option<DomainMappingStatus> {
        error.is_final().then(|| status::claim_failed(mapping, error, self.clock.now()))
    }

    fn forget(&self, namespace: &str, name: &str) {
        self.served.forget(namespace, name);
    }
}

impl DomainMappings {
    /// What the mapping points to: a Route, or the Route of a Service.
    fn target(&self, mapping: &DomainMapping) -> Target {
        let reference = &mapping.spec.reference;
        let namespace = namespace(mapping);
        let serving = reference.api_version.starts_with("serving.knative.dev/");
        let exists = match reference.kind.as_str() {
            "Service" if serving => {
                get(&self.stores.services, namespace, &reference.name).is_some()
            }
            "Route" if serving => get(&self.stores.routes, namespace, &reference.name).is_some(),
            _ => return Target::Unsupported,
        };
        if !exists {
            return Target::Missing;
        }
        get(&self.stores.routes, namespace, &reference.name).map_or(Target::NotYet, Target::Route)
    }
}

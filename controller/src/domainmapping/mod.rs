//! DomainMapping: a domain of the user's own for a Service or Route.

mod certificate;
mod desired;
mod status;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use rouse_api::config::ApiConfig;
use rouse_api::{DomainMapping, DomainMappingStatus};
use rouse_k8s::ObjectKey;
use rouse_kit::{ApplyError, Live, certificates};

use self::certificate::Certificate;
use self::desired::{Observed, Target, desired};
use crate::lookups::Answered;
use crate::lookups::served::{Served, ServedLookup};
use crate::objects::meta::{name, namespace};
use crate::reconciler::{Planned, Reconciler};
use crate::watched::stores::{Stores, get};

pub(crate) struct DomainMappings {
    pub(crate) stores: Stores,
    pub(crate) served: Served<DomainMapping>,
    pub(crate) config: Live<ApiConfig>,
}

impl Reconciler for DomainMappings {
    type Kind = DomainMapping;
    type Status = DomainMappingStatus;
    type Observed = Observed;
    type Lookup = ServedLookup;
    const NAME: &'static str = "domainmapping";

    fn observe(&self, mapping: &DomainMapping) -> Observed {
        let claim = self.stores.claims.get(&ObjectRef::new(name(mapping)));
        let holder = claim.as_ref().map(|claim| claim.spec.namespace.as_str());
        let held = holder.is_some_and(|holder| {
            get(&self.stores.domain_mappings, holder, name(mapping)).is_some()
        });
        Observed {
            claim,
            held,
            target: self.target(mapping),
            certificate: self.certificate(mapping),
            gateway: self.stores.gateway(),
            serving: self.served.known(mapping),
            config: self.config.get(),
        }
    }

    fn plan(
        mapping: &DomainMapping,
        seen: &Observed,
        now: Timestamp,
    ) -> Planned<DomainMappingStatus, ServedLookup> {
        let written = mapping.status.as_ref().and_then(|status| status.routing.as_ref());
        let lookup = seen.serving.question(written.map(|routing| routing.version));
        Planned { plan: desired(mapping, seen, now), lookup }
    }

    fn look_up(&self, mapping: &DomainMapping, lookup: ServedLookup) -> Answered {
        self.served.look_up(mapping, lookup)
    }

    fn refused(
        mapping: &DomainMapping,
        error: &ApplyError,
        now: Timestamp,
    ) -> Option<DomainMappingStatus> {
        Some(status::claim_failed(mapping, error, now))
    }

    fn forget(&self, key: &ObjectKey) {
        self.served.forget(key);
    }
}

impl DomainMappings {
    /// The certificate that the mapping names, if it names one.
    fn certificate(&self, mapping: &DomainMapping) -> Option<Certificate> {
        let secret = mapping.spec.tls.as_ref()?.secret_name.clone();
        Some(match get(&self.stores.secrets, namespace(mapping), &secret) {
            None => Certificate::Missing { secret },
            Some(found) => match certificates::of_secret(&found) {
                Ok(_) => Certificate::Usable,
                Err(cause) => Certificate::Broken { secret, cause },
            },
        })
    }

    /// The Route that the mapping refers to, directly or through its Service.
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

//! Route: hosts, shares of traffic, and the routing that activators serve.

mod desired;
mod hosts;
mod labeler;
mod observed;
mod placeholder;
mod portions;
mod rollout;
mod routing;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rouse_api::config::ApiConfig;
use rouse_api::{Route, RouteStatus};
use rouse_k8s::ObjectKey;
use rouse_kit::{ApplyError, Live};

use self::desired::desired;
use self::observed::Observed;
use crate::lookups::Answered;
use crate::lookups::served::{Served, ServedLookup};
use crate::objects::meta::{controls, name, namespace};
use crate::reconciler::{Planned, Reconciler};
use crate::watched::stores::{Stores, get};

pub(crate) struct Routes {
    pub(crate) stores: Stores,
    pub(crate) served: Served<Route>,
    pub(crate) config: Live<ApiConfig>,
}

impl Reconciler for Routes {
    type Kind = Route;
    type Status = RouteStatus;
    type Observed = Observed;
    type Lookup = ServedLookup;
    const NAME: &'static str = "route";

    fn observe(&self, route: &Route) -> Observed {
        let namespace = namespace(route);
        let config = self.config.get();
        let in_namespace = |object: &str| object == namespace;
        let configurations = self.stores.configurations.state_filter(|c| {
            in_namespace(c.metadata.namespace.as_deref().unwrap_or_default())
                && labeler::concerns_configuration(route, c)
        });
        let revisions = self
            .stores
            .revisions
            .state_filter(|r| in_namespace(r.metadata.namespace.as_deref().unwrap_or_default()));
        Observed {
            configurations: by_name(configurations),
            revisions: by_name(revisions),
            placeholders: self.stores.placeholders_of(route),
            foreign_services: hosts::service_names(route, &config.network)
                .into_iter()
                .filter_map(|service| get(&self.stores.core_services, namespace, &service))
                .filter(|service| !controls(route, &**service))
                .map(|service| name(&*service).to_owned())
                .collect(),
            gateway: self.stores.gateway(),
            serving: self.served.known(route),
            config,
        }
    }

    fn plan(route: &Route, seen: &Observed, now: Timestamp) -> Planned<RouteStatus, ServedLookup> {
        let written = route.status.as_ref().and_then(|status| status.routing.as_ref());
        let lookup = seen.serving.question(written.map(|routing| routing.version));
        Planned { plan: desired(route, seen, now), lookup }
    }

    fn look_up(&self, route: &Route, lookup: ServedLookup) -> Answered {
        self.served.look_up(route, lookup)
    }

    fn refused(route: &Route, error: &ApplyError, now: Timestamp) -> Option<RouteStatus> {
        Some(status::refused(route, error, now))
    }

    fn forget(&self, key: &ObjectKey) {
        self.served.forget(key);
    }
}

fn by_name<K: kube::Resource>(objects: Vec<Arc<K>>) -> BTreeMap<String, Arc<K>> {
    objects.into_iter().map(|object| (name(&*object).to_owned(), object)).collect()
}

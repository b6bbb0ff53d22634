//! Route: hosts, shares of traffic, and the routing that activators serve.

mod desired;
mod hosts;
mod labeler;
mod observed;
mod placeholder;
mod routing;
mod status;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use rouse_api::config::ApiConfig;
use rouse_api::{Route, RouteStatus};
use rouse_kit::{ApplyError, Clock, Live, Plan};

use self::desired::desired;
use self::observed::{Observed, Settings};
use crate::lookups::served::Served;
use crate::objects::meta::{controls, name, namespace};
use crate::reconciler::Reconciler;
use crate::watched::stores::{Stores, get};

pub(crate) struct Routes {
    pub(crate) stores: Stores,
    pub(crate) served: Served<Route>,
    pub(crate) config: Live<ApiConfig>,
    pub(crate) clock: Clock,
}

impl Reconciler for Routes {
    type Kind = Route;
    type Status = RouteStatus;
    const NAME: &'static str = "route";

    fn plan(&self, route: &Route) -> Plan<RouteStatus> {
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
        let written = route.status.as_ref().and_then(|status| status.routing.as_ref());
        let seen = Observed {
            configurations: by_name(configurations),
            revisions: by_name(revisions),
            placeholders: self.stores.placeholders_of(route),
            strangers: hosts::service_names(route, &config.network)
                .into_iter()
                .filter_map(|service| get(&self.stores.core_services, namespace, &service))
                .filter(|service| !controls(route, &**service))
                .map(|service| name(&*service).to_owned())
                .collect(),
            gateway: self.stores.gateway(),
            served: self.served.look(route, written.map(|routing| routing.version)),
        };
        desired(route, &seen, &Settings { config: &config }, self.clock.now())
    }

    fn refused(&self, route: &Route, error: &ApplyError) -> Option<RouteStatus> {
        error.is_final().then(|| status::refused(route, error, self.clock.now()))
    }

    fn forget(&self, namespace: &str, name: &str) {
        self.served.forget(namespace, name);
    }
}

fn by_name<K: kube::Resource>(objects: Vec<Arc<K>>) -> BTreeMap<String, Arc<K>> {
    objects.into_iter().map(|object| (name(&*object).to_owned(), object)).collect()
}

//! Waits until the gateway acts by what a Service's annotations say of its callers.
//!
//! Annotations change no generation, so the Service's own conditions do not tell: its Route's routing does.

use std::time::Duration;

use kube::api::Api;
use kube::runtime::wait::await_condition;
use rouse_api::route::INGRESS_READY;
use rouse_api::routing::Callers;
use rouse_api::{Condition, Route, Service, callers, condition, keys};

use crate::commands::serving::name_of;
use crate::outcome::{Context, Failure, Result};
use crate::target::Target;

/// Returns when the Route's routing has the rule of the Service, and all activators serve it.
pub(crate) async fn until(target: &Target, service: &Service, limit: Duration) -> Result {
    let routes: Api<Route> = Api::namespaced(target.client.clone(), &target.namespace);
    let (name, namespace) = (name_of(service), target.namespace.as_str());
    let annotations = service.metadata.annotations.clone().unwrap_or_default();
    let rule = callers::callers(&annotations, namespace, &[]);
    let inside = annotations.get(keys::INGRESS).is_some_and(|from| from != "all");
    let served =
        |route: Option<&Route>| route.is_none_or(|route| serves(route, rule.as_ref(), inside));
    match tokio::time::timeout(limit, await_condition(routes, name, served)).await {
        Ok(found) => found.map(|_| ()).or_fail(|| format!("cannot watch the Route of {name}")),
        Err(_) => Err(Failure::not_ready(format!(
            "the gateway did not take over who may call {name} within {} s",
            limit.as_secs()
        ))
        .next(format!("rouse describe {name}"))),
    }
}

/// Whether the Route serves this rule, to the inside alone if it is to. One that has no routing yet has nothing to serve.
fn serves(route: &Route, rule: Option<&Callers>, inside: bool) -> bool {
    let Some(status) = &route.status else { return true };
    let Some(routing) = &status.routing else { return true };
    let same = routing.hosts.iter().all(|host| {
        let mut own = host.callers.clone();
        if let Some(invokers) = own.as_mut().and_then(|own| own.invokers.as_mut()) {
            invokers.hosts.clear();
        }
        own.as_ref() == rule && (host.public.is_empty() || !inside)
    });
    let ready = condition::find(&status.conditions, INGRESS_READY);
    same && ready.is_some_and(Condition::is_true)
}

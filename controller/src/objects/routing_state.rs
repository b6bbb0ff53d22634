//! The Routes of a Revision or Configuration, and a Revision's routing state: the label
//! `serving.knative.dev/routingState` and the annotations beside it.

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use rouse_api::{Configuration, Revision, keys};
use rouse_k8s::time::rfc3339;
use rouse_kit::Plan;
use serde_json::{Value, json};

pub(crate) const ACTIVE: &str = "active";
pub(crate) const RESERVE: &str = "reserve";
pub(crate) const PENDING: &str = "pending";

/// The Routes that an object's annotation lists.
pub(crate) fn routes_of<K: Resource>(object: &K) -> Vec<String> {
    object
        .annotations()
        .get(keys::ROUTES)
        .into_iter()
        .flat_map(|routes| routes.split(','))
        .filter(|route| !route.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// The value of that annotation with `route` in it.
pub(crate) fn with_route(mut routes: Vec<String>, route: &str) -> String {
    if !routes.iter().any(|present| present == route) {
        routes.push(route.to_owned());
        routes.sort();
    }
    routes.join(",")
}

/// The Routes that an object lists but that do not exist. The Route of the object's Service is
/// never among them: it is listed before it is created, and recreated if it is deleted.
pub(crate) fn gone_routes<K: Resource>(object: &K, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let own = object.labels().get(keys::SERVICE);
    routes_of(object).into_iter().filter(|route| Some(route) != own && !exists(route)).collect()
}

/// Removes deleted Routes from a Revision's list.
pub(crate) fn release_revision<S>(
    revision: &Revision,
    gone: &[String],
    now: Timestamp,
    plan: &mut Plan<S>,
) {
    let state = revision.labels().get(keys::ROUTING_STATE).map(String::as_str);
    let others = without(routes_of(revision), gone);
    let next = if others.is_null() { RESERVE } else { ACTIVE };
    plan.patch(revision, routing_state(&others, next, state, now));
}

/// Removes deleted Routes from a Configuration's list.
pub(crate) fn release_configuration<S>(
    configuration: &Configuration,
    gone: &[String],
    plan: &mut Plan<S>,
) {
    let others = without(routes_of(configuration), gone);
    plan.patch(configuration, json!({"metadata": {"annotations": {keys::ROUTES: others}}}));
}

/// The annotation without `gone`; null, which removes it, if nothing is left.
pub(crate) fn without(routes: Vec<String>, gone: &[String]) -> Value {
    let others: Vec<String> = routes.into_iter().filter(|route| !gone.contains(route)).collect();
    if others.is_empty() { Value::Null } else { json!(others.join(",")) }
}

/// `routingStateModified` moves only with the state, since garbage collection counts from it.
pub(crate) fn routing_state(
    routes: &Value,
    next: &str,
    state: Option<&str>,
    now: Timestamp,
) -> Value {
    let mut annotations = json!({keys::ROUTES: routes});
    if state != Some(next) {
        annotations[keys::ROUTING_STATE_MODIFIED] = json!(rfc3339(now));
    }
    json!({"metadata": {"labels": {keys::ROUTING_STATE: next}, "annotations": annotations}})
}

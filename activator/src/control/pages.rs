//! The debug pages: the route of each host, and the state of each revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use rouse_k8s::ObjectKey;
use rouse_kit::Debug;
use serde_json::{Value, json};

use crate::admission::revision::Revision;
use crate::control::registry::Registry;
use crate::control::shared::{PodState, Shared};

/// Adds the pages.
pub(crate) fn add(debug: &Debug, shared: &Arc<Shared>, registry: &Arc<Registry>) {
    let routed = Arc::clone(shared);
    debug.page("routes", "every host that is routed: its revisions with their shares", move || {
        routes(&routed)
    });
    let (shared, registry) = (Arc::clone(shared), Arc::clone(registry));
    let shows = "every revision: its limits, queue and slots, and its pods with their state";
    debug.page("revisions", shows, move || revisions(&shared, &registry));
}

fn routes(shared: &Shared) -> Value {
    let table = shared.table.load();
    let mut hosts: Vec<_> = table.hosts().collect();
    hosts.sort_by_key(|(name, _, _)| *name);
    let hosts: Vec<Value> = hosts
        .into_iter()
        .map(|(name, public, host)| {
            let source = host.source();
            json!({
                "host": name,
                "public": public,
                "namespace": host.namespace(),
                "tag": source.tag,
                "http": source.http,
                "rewriteHost": source.rewrite_host,
                "split": source.split,
                "callers": source.callers,
            })
        })
        .collect();
    let progress = shared.progress.borrow();
    let mut versions: Vec<_> = progress.versions.iter().collect();
    versions.sort_by_key(|(key, _)| *key);
    let versions: Vec<Value> = versions
        .into_iter()
        .map(|(key, version)| {
            json!({ "kind": format!("{:?}", key.kind), "namespace": key.key.namespace,
                "name": key.key.name, "version": version })
        })
        .collect();
    json!({ "complete": progress.complete, "hosts": hosts, "served": versions })
}

fn revisions(shared: &Shared, registry: &Registry) -> Value {
    let mut revisions = registry.all();
    revisions.sort_by(|one, other| one.key.cmp(&other.key));
    let pods = shared.pods.lock();
    revisions.iter().map(|revision| self::revision(revision, &pods)).collect()
}

fn revision(revision: &Revision, pods: &BTreeMap<ObjectKey, PodState>) -> Value {
    let status = revision.status();
    let settings = revision.settings.load_full();
    let own = pods.iter().filter(|(_, state)| state.revision == revision.key);
    let pods: Vec<Value> = own
        .map(|(key, state)| {
            json!({
                "name": key.name,
                "state": format!("{:?}", state.stage),
                "address": state.pod.as_ref().map(|pod| pod.address.to_string()),
                "inFlight": state.pod.as_ref().map_or(0, |pod| pod.in_flight()),
            })
        })
        .collect();
    let limits = settings.as_ref().map(|settings| {
        let seconds = |limit: std::time::Duration| limit.as_secs();
        json!({
            "containerConcurrency": settings.concurrency,
            "queueLimit": settings.queue_limit,
            "timeoutSeconds": seconds(settings.limits.total),
            "responseStartTimeoutSeconds": settings.limits.response_start.map(seconds),
            "idleTimeoutSeconds": settings.limits.idle.map(seconds),
        })
    });
    // Without a limit there is no number of slots.
    let concurrency = settings.as_ref().map_or(0, |settings| settings.concurrency);
    let slots = (concurrency > 0).then(|| {
        u64::from(concurrency).saturating_mul(u64::try_from(status.pods).unwrap_or(u64::MAX))
    });
    let of_pods = revision.trouble.load_full().map(|trouble| String::clone(&trouble));
    let trouble = of_pods.or_else(|| settings.and_then(|settings| settings.trouble.clone()));
    json!({
        "namespace": revision.key.namespace,
        "name": revision.key.name,
        "limits": limits,
        "inFlight": status.in_flight,
        "queued": status.queued,
        "arrivals": status.arrivals,
        "slots": slots,
        "notReady": trouble,
        "pods": pods,
    })
}

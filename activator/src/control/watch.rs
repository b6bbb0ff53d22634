//! Mirrors Routes, DomainMappings, Revisions, Pods and Secrets with certificates, and sends their changes to the directory.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use rouse_api::{DomainMapping, Revision, Route, keys};
use rouse_k8s::ObjectKey;
use rouse_kit::mirror::{self, Mirror, Outage};
use rouse_kit::{AddressResolver, Shutdown, certificates};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval};

use crate::control::change::Change;
use crate::state::keys::{RouteKey, RouteKind};
use crate::state::objects;

/// Interval at which the watches are checked for outages.
const OUTAGE_CHECK: Duration = Duration::from_secs(5);
/// A watch may fail this long, as during a restart of the API server, before it is reported.
const GRACE: Duration = Duration::from_secs(30);

/// A change, the end of the initial list of a kind, or the state of the watches.
enum Event {
    Change(Change),
    InSync,
    Outage(Option<String>),
}

/// A stream of changes of one kind, and the outage of its watch.
type Followed = (BoxStream<'static, Event>, watch::Receiver<Option<Outage>>);

/// The message of the longest outage, if it has lasted `GRACE`.
fn problem<'a>(outages: impl Iterator<Item = &'a Outage>, now: Instant) -> Option<String> {
    let longest = outages.max_by_key(|outage| outage.duration(now))?;
    let Outage { kind, cause, .. } = longest;
    (longest.duration(now) >= GRACE).then(|| format!("the watch of {kind} fails: {cause}"))
}

/// Runs until shutdown or until the receiver is gone.
pub(crate) async fn run(
    client: Client,
    resolve: AddressResolver,
    changes: mpsc::Sender<Change>,
    shutdown: Shutdown,
) {
    let route = |kind| move |key, routing| Change::Route(RouteKey { kind, key }, routing);
    let routes = |route: Route| route.status?.routing;
    let mappings = |mapping: DomainMapping| mapping.status?.routing;
    let revisions = |revision: Revision| Some(objects::settings(&revision));
    let pods = move |pod: Pod| objects::pod_facts(&pod, &resolve);
    let certificates = |secret: Secret| certificates::of_secret(&secret).ok();
    let (all, ours) = (Config::default(), Config::default().labels(keys::REVISION));
    let tls = Config::default().fields(&format!("type={}", certificates::TLS_SECRET));
    let streams = [
        follow(&client, &all, routes, route(RouteKind::Route)),
        follow(&client, &all, mappings, route(RouteKind::DomainMapping)),
        follow(&client, &all, revisions, Change::Revision),
        follow(&client, &ours, pods, Change::Pod),
        follow(&client, &tls, certificates, Change::Certificate),
    ];
    let mut missing = streams.len();
    let (streams, outages): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
    let outage_checks = stream::unfold(interval(OUTAGE_CHECK), move |mut interval| {
        let outages = outages.clone();
        async move {
            let now = interval.tick().await;
            let outages: Vec<_> = outages.iter().map(|outage| outage.borrow().clone()).collect();
            Some((Event::Outage(problem(outages.iter().flatten(), now)), interval))
        }
    });
    let mut all = stream::select_all(streams.into_iter().chain([outage_checks.boxed()]));
    let mut outage = None;
    while let Some(Some(told)) = shutdown.run_until_cancelled(all.next()).await {
        let change = match told {
            Event::Outage(now) if now == outage => continue,
            Event::Outage(now) => {
                outage.clone_from(&now);
                Change::Outage(now)
            }
            Event::Change(change) => change,
            Event::InSync => {
                missing -= 1;
                if missing > 0 {
                    continue;
                }
                Change::Complete
            }
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

/// Follows one kind in all namespaces; `read` turns an object into the part that is kept.
fn follow<K, T>(
    client: &Client,
    config: &Config,
    read: impl Fn(K) -> Option<T> + Send + 'static,
    change: impl Fn(ObjectKey, Option<Arc<T>>) -> Change + Send + 'static,
) -> Followed
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send + Sync + 'static,
{
    let mirror = Mirror::of(Api::<K>::all(client.clone()), config.clone(), read);
    let told = move |changed| match changed {
        mirror::Change::Added { key, new } | mirror::Change::Changed { key, new, .. } => {
            Event::Change(change(key, Some(new)))
        }
        mirror::Change::Gone { key, .. } => Event::Change(change(key, None)),
        mirror::Change::InSync => Event::InSync,
    };
    let outage = mirror.outage();
    (mirror.into_stream().map(told).boxed(), outage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_fails_for_long_is_a_problem_until_it_works() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let outage = |kind: &str, since, last| Outage {
            kind: kind.to_owned(),
            since: at(since),
            last: at(last),
            cause: "refused".to_owned(),
        };
        let told = |outages: &[Outage], now| problem(outages.iter(), at(now));
        assert_eq!(told(&[], 0), None);
        let both = [outage("Route", 8, 30), outage("Pod", 0, 30)];
        assert_eq!(told(&both, 29), None);
        assert_eq!(told(&both, 30).as_deref(), Some("the watch of Pod fails: refused"));
        assert_eq!(told(&both, 90), None, "nothing failed for a minute");
    }
}

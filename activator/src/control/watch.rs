//! Watches Routes, DomainMappings, Revisions and Pods, and tells the control task what changed.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1;
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use rouse_api::{DomainMapping, Revision, Route, keys};
use rouse_kit::{AddressResolver, Shutdown};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::control::change::Change;
use crate::state::keys::{PodKey, RevisionKey, RouteKey, RouteKind};
use crate::state::objects;

/// First pause after a watch broke, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Waits longer each time a watch fails, from the start again after it worked.
#[derive(Debug)]
struct Patience(Duration);

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(RETRY.1);
        Some(pause)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.0 = RETRY.0;
    }
}

/// One event of one kind.
enum Step<K> {
    /// A list begins; whatever it does not name is gone at its end.
    Begin,
    Seen(K, Box<Change>),
    Gone(K),
    Done,
}

/// What the control task is told: a change, or that the first list of a kind is through.
enum Told {
    Change(Box<Change>),
    Listed,
}

/// Runs until shutdown or until nobody wants to know.
pub(crate) async fn run(
    client: Client,
    resolve: AddressResolver,
    changes: mpsc::Sender<Change>,
    shutdown: Shutdown,
) {
    let routes = kind(&client, "", |route: &Route| {
        let key = route_key(RouteKind::Route, route);
        let routing = route.status.as_ref().and_then(|status| status.routing.clone());
        (key.clone(), Change::Route(key, routing))
    });
    let mappings = kind(&client, "", |mapping: &DomainMapping| {
        let key = route_key(RouteKind::DomainMapping, mapping);
        let routing = mapping.status.as_ref().and_then(|status| status.routing.clone());
        (key.clone(), Change::Route(key, routing))
    });
    let revisions = kind(&client, "", |revision: &Revision| {
        let key = RevisionKey::new(revision.namespace().unwrap_or_default(), revision.name_any());
        (key.clone(), Change::Revision(key, Some(objects::settings(revision))))
    });
    let pods = kind(&client, keys::REVISION, move |pod: &v1::Pod| {
        let key = PodKey { namespace: pod.namespace().unwrap_or_default(), name: pod.name_any() };
        (key.clone(), Change::Pod(key, objects::pod(pod, &resolve)))
    });
    let gone_route = |key| Change::Route(key, None);
    let streams: [BoxStream<'static, Told>; 4] = [
        known(routes, gone_route),
        known(mappings, gone_route),
        known(revisions, |key| Change::Revision(key, None)),
        known(pods, |key| Change::Pod(key, None)),
    ];
    let mut missing = streams.len();
    let mut all = stream::select_all(streams);
    while let Some(Some(told)) = shutdown.run_until_cancelled(all.next()).await {
        let change = match told {
            Told::Change(change) => *change,
            Told::Listed => {
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

fn route_key(kind: RouteKind, object: &impl ResourceExt) -> RouteKey {
    let namespace = object.namespace().unwrap_or_default();
    RouteKey { kind, namespace, name: object.name_any() }
}

/// Watches one kind in all namespaces; `read` makes an object's key and change.
fn kind<K, T>(
    client: &Client,
    labels: &str,
    read: impl Fn(&K) -> (T, Change) + Send + 'static,
) -> BoxStream<'static, Step<T>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send + 'static,
{
    let config = watcher::Config::default().labels(labels);
    watcher(Api::<K>::all(client.clone()), config)
        .backoff(Patience(RETRY.0))
        .filter_map(move |event| {
            let step = match event {
                Ok(Event::Init) => Some(Step::Begin),
                Ok(Event::InitApply(object) | Event::Apply(object)) => {
                    let (key, change) = read(&object);
                    Some(Step::Seen(key, Box::new(change)))
                }
                Ok(Event::InitDone) => Some(Step::Done),
                Ok(Event::Delete(object)) => Some(Step::Gone(read(&object).0)),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), %error, "a watch broke; trying again");
                    None
                }
            };
            std::future::ready(step)
        })
        .boxed()
}

/// Keeps which objects there are, so that one that vanished while no watch ran is told as gone.
fn known<K>(
    steps: BoxStream<'static, Step<K>>,
    gone: impl Fn(K) -> Change + Send + 'static,
) -> BoxStream<'static, Told>
where
    K: Clone + Eq + Hash + Send + 'static,
{
    let mut there: HashSet<K> = HashSet::new();
    let mut unlisted: HashSet<K> = HashSet::new();
    let mut listed = false;
    steps
        .flat_map(move |step| {
            let told = match step {
                Step::Begin => {
                    unlisted.clone_from(&there);
                    Vec::new()
                }
                Step::Seen(key, change) => {
                    unlisted.remove(&key);
                    there.insert(key);
                    vec![Told::Change(change)]
                }
                Step::Gone(key) => {
                    there.remove(&key);
                    vec![Told::Change(Box::new(gone(key)))]
                }
                Step::Done => {
                    let mut told: Vec<_> = unlisted
                        .drain()
                        .inspect(|key| {
                            there.remove(key);
                        })
                        .map(|key| Told::Change(Box::new(gone(key))))
                        .collect();
                    if !std::mem::replace(&mut listed, true) {
                        told.push(Told::Listed);
                    }
                    told
                }
            };
            stream::iter(told)
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> PodKey {
        PodKey { namespace: "default".to_owned(), name: name.to_owned() }
    }

    fn seen(name: &str) -> Step<PodKey> {
        Step::Seen(pod(name), Box::new(Change::Pod(pod(name), None)))
    }

    #[tokio::test]
    async fn what_a_second_list_does_not_name_is_gone() {
        let steps = vec![
            Step::Begin,
            seen("a"),
            seen("b"),
            Step::Done,
            Step::Begin,
            seen("b"),
            Step::Done,
            Step::Gone(pod("b")),
        ];
        let told = known(stream::iter(steps).boxed(), |key| Change::Pod(key, None));
        let names: Vec<String> = told
            .map(|told| match told {
                Told::Change(change) => match *change {
                    Change::Pod(key, _) => key.name,
                    other => panic!("not a pod: {other:?}"),
                },
                Told::Listed => "listed".to_owned(),
            })
            .collect()
            .await;
        // Seen twice, listed once, then seen again, and gone: a at the relist, b by its event.
        assert_eq!(names, ["a", "b", "listed", "b", "a", "b"]);
    }

    #[test]
    fn a_broken_watch_is_tried_again_ever_slower_until_it_works() {
        let mut patience = Patience(RETRY.0);
        let pauses: Vec<u128> = patience.by_ref().take(9).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        patience.reset();
        assert_eq!(patience.next(), Some(RETRY.0));
    }
}

//! Mirrors Routes, DomainMappings, Revisions and Pods, and tells the directory what changed.

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use rouse_api::{DomainMapping, Revision, Route, keys};
use rouse_k8s::ObjectKey;
use rouse_kit::mirror::{self, Mirror};
use rouse_kit::{AddressResolver, Shutdown};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::control::change::Change;
use crate::state::keys::{RouteKey, RouteKind};
use crate::state::objects;

/// A change, or the news that all existing objects of a kind were told.
enum Told {
    Change(Change),
    InSync,
}

/// Runs until shutdown or until nobody wants to know.
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
    let streams = [
        follow(&client, "", routes, route(RouteKind::Route)),
        follow(&client, "", mappings, route(RouteKind::DomainMapping)),
        follow(&client, "", revisions, Change::Revision),
        follow(&client, keys::REVISION, pods, Change::Pod),
    ];
    let mut missing = streams.len();
    let mut all = stream::select_all(streams);
    while let Some(Some(told)) = shutdown.run_until_cancelled(all.next()).await {
        let change = match told {
            Told::Change(change) => change,
            Told::InSync => {
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

/// Follows one kind in all namespaces; `read` makes of an object what is kept of it.
fn follow<K, T>(
    client: &Client,
    labels: &str,
    read: impl Fn(K) -> Option<T> + Send + 'static,
    change: impl Fn(ObjectKey, Option<Arc<T>>) -> Change + Send + 'static,
) -> BoxStream<'static, Told>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + DeserializeOwned + Debug + Send + 'static,
    T: Send + Sync + 'static,
{
    let config = Config::default().labels(labels);
    let mirror = Mirror::of(Api::<K>::all(client.clone()), config, read);
    let told = move |changed| match changed {
        mirror::Change::Added { key, new } | mirror::Change::Changed { key, new, .. } => {
            Told::Change(change(key, Some(new)))
        }
        mirror::Change::Gone { key, .. } => Told::Change(change(key, None)),
        mirror::Change::InSync => Told::InSync,
    };
    mirror.into_stream().map(told).boxed()
}

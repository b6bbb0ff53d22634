//! One watch per kind: keeps the local copy, then wakes reconcilers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use rouse_kit::Shutdown;
use serde::de::DeserializeOwned;

use crate::watched::queues::{Queues, Wakes};
use crate::watched::stores::Stores;

/// Follows every object of kind `K` that `config` selects, until `shutdown`.
pub(crate) async fn follow<K>(
    client: Client,
    config: watcher::Config,
    mut writer: Writer<K>,
    stores: Stores,
    queues: Queues,
    shutdown: Shutdown,
) where
    K: Resource<DynamicType = ()>
        + Wakes
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let store = writer.as_reader();
    let mut changes = watcher(Api::<K>::all(client), config).default_backoff().boxed();
    loop {
        let change = tokio::select! {
            biased; // shutdown is checked first
            () = shutdown.cancelled() => return,
            change = changes.next() => change,
        };
        let change = match change {
            Some(Ok(change)) => change,
            Some(Err(error)) => {
                tracing::debug!(kind = %K::kind(&()), %error, "a watch starts over");
                continue;
            }
            None => return,
        };
        // Objects that a new list lacks were deleted unobserved; their reconcilers are woken too.
        let before = match change {
            watcher::Event::InitDone => by_key(store.state()),
            watcher::Event::Apply(_)
            | watcher::Event::Delete(_)
            | watcher::Event::Init
            | watcher::Event::InitApply(_) => BTreeMap::new(),
        };
        writer.apply_watcher_event(&change);
        match change {
            watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                K::wake(&object, &stores, &queues).await;
            }
            watcher::Event::InitDone => {
                let mut all = before;
                all.extend(by_key(store.state()));
                for object in all.values() {
                    K::wake(object, &stores, &queues).await;
                }
            }
            watcher::Event::Init | watcher::Event::InitApply(_) => {}
        }
    }
}

fn by_key<K: Resource>(objects: Vec<Arc<K>>) -> BTreeMap<(Option<String>, String), Arc<K>> {
    objects.into_iter().map(|object| ((object.namespace(), object.name_any()), object)).collect()
}

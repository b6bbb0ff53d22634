//! Settings that follow their ConfigMap: the last good value, always at hand.
//!
//! A ConfigMap that does not parse never takes the platform down: the last good value stays, and a
//! warning Event on the ConfigMap says why. A deleted one leaves its last value in force.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::{oneshot, watch};

use crate::Shutdown;
use crate::events::{self, Events, Notice};

/// The `data` of a ConfigMap.
pub type Data = BTreeMap<String, String>;

/// One typed setting. Clones share the value.
#[derive(Debug)]
pub struct Live<T> {
    value: Arc<watch::Sender<Arc<T>>>,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value) }
    }
}

impl<T: Send + Sync + 'static> Live<T> {
    #[must_use]
    pub fn new(initial: T) -> Self {
        Self { value: Arc::new(watch::Sender::new(Arc::new(initial))) }
    }

    /// The value now. Cheap, never blocks for long.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.value.borrow())
    }

    /// Wakes with each later change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.value.subscribe()
    }

    pub fn set(&self, value: T) {
        self.value.send_replace(Arc::new(value));
    }

    /// Follows the ConfigMap `name`: `parse` makes the next value from the present one and the
    /// ConfigMap's data, so that one value can follow several ConfigMaps.
    pub fn follow<E: Display>(
        &self,
        name: &'static str,
        parse: impl Fn(&T, &Data) -> Result<T, E> + Send + 'static,
    ) -> Source {
        let live = self.clone();
        let update = move |data: &Data| match parse(&live.get(), data) {
            Ok(value) => {
                live.set(value);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        };
        Source { name, seen: None, update: Box::new(update) }
    }
}

/// Takes a ConfigMap's data, or says what is wrong with it.
type Update = Box<dyn Fn(&Data) -> Result<(), String> + Send>;

/// A ConfigMap that a setting follows.
pub struct Source {
    name: &'static str,
    /// The data read last: a watch that starts over must not wake subscribers.
    seen: Option<Data>,
    update: Update,
}

impl Source {
    /// Takes a new version of the ConfigMap; an error if its last good value stays.
    fn offer(&mut self, config_map: &ConfigMap) -> Result<(), String> {
        let data = config_map.data.clone().unwrap_or_default();
        if self.seen.as_ref() == Some(&data) {
            return Ok(());
        }
        let result = (self.update)(&data);
        self.seen = Some(data);
        result
    }
}

/// Watches the ConfigMaps of `namespace` and keeps `sources` up to date until `shutdown`. `ready`
/// is signalled once all that existed at the start have been read.
pub async fn follow(
    client: Client,
    namespace: &str,
    mut sources: Vec<Source>,
    events: Events,
    ready: oneshot::Sender<()>,
    shutdown: Shutdown,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut ready = Some(ready);
    loop {
        let change = tokio::select! {
            biased; // shutdown comes first
            () = shutdown.cancelled() => return,
            change = changes.next() => change,
        };
        match change {
            Some(Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                take(&mut sources, &object, &events);
            }
            Some(Ok(watcher::Event::InitDone)) => {
                if let Some(ready) = ready.take() {
                    // An error means that the receiver is gone.
                    let _ = ready.send(());
                }
            }
            Some(Ok(watcher::Event::Init | watcher::Event::Delete(_))) => {}
            Some(Err(error)) => tracing::debug!(%error, "the watch of ConfigMaps starts over"),
            None => return,
        }
    }
}

fn take(sources: &mut [Source], object: &ConfigMap, events: &Events) {
    let name = object.name_any();
    for source in sources.iter_mut().filter(|source| source.name == name) {
        if let Err(error) = source.offer(object) {
            tracing::warn!(name, %error, "a ConfigMap is not valid; its last good value stays");
            let message = format!("not valid, the last good value stays in force: {error}");
            events.publish(events::reference(object), Notice::warning("InvalidConfig", message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(value: &str) -> ConfigMap {
        let data = Some([("size".to_owned(), value.to_owned())].into());
        ConfigMap { data, ..ConfigMap::default() }
    }

    fn size(_: &u32, data: &Data) -> Result<u32, std::num::ParseIntError> {
        data["size"].parse()
    }

    #[test]
    fn the_last_good_value_outlives_a_bad_one() {
        let live = Live::new(1);
        let mut source = live.follow("config-size", size);
        assert_eq!(source.offer(&config_map("3")), Ok(()));
        assert_eq!(
            source.offer(&config_map("many")),
            Err("invalid digit found in string".to_owned())
        );
        assert_eq!(*live.get(), 3);
    }

    #[test]
    fn the_same_data_again_wakes_no_subscriber() {
        let live = Live::new(1);
        let mut source = live.follow("config-size", size);
        source.offer(&config_map("3")).unwrap();
        let changes = live.subscribe();
        source.offer(&config_map("3")).unwrap();
        assert!(!changes.has_changed().unwrap());
        source.offer(&config_map("4")).unwrap();
        assert!(changes.has_changed().unwrap());
    }
}

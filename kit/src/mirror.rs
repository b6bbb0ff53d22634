//! A mirror of a kind: a list, the watch that follows it, and the changes in between.
//!
//! A [`Mirror`] yields each change once, in order: added, changed, gone. A watch that breaks is
//! begun again with a list, which is compared with the known objects: deletions and replacements
//! meanwhile are yielded like other changes, and unchanged objects are not yielded again. The
//! [`Store`] is its read handle: it has a change before the change is yielded.
//!
//! A mirror keeps whole objects, or the parts that a function takes of them: components that need
//! little of many objects keep little. It never ends by itself, and `Mirror::next` may be cancelled
//! at any time.

mod change;
mod outage;
mod store;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream, Stream};
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Resource};
use rouse_k8s::{Backoff, ObjectKey};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

pub use change::Change;
pub use outage::Outage;
pub use store::Store;

/// The pause after a watch or a list failed. Shorter than that of kube: a component sees no changes
/// meanwhile.
const PAUSE_INITIAL: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Follows the objects of one kind. Does nothing unless it is polled.
pub struct Mirror<T> {
    kind: String,
    events: BoxStream<'static, Result<Event<T>, watcher::Error>>,
    store: Store<T>,
    queued_changes: VecDeque<Change<T>>,
    backoff: Backoff,
    /// Set while no request may be sent to the server.
    pause: Option<Pin<Box<Sleep>>>,
    failed_at: Option<Instant>,
    is_listing: bool,
    /// Set while the watch fails. It is logged once, not at every attempt.
    outage: watch::Sender<Option<Outage>>,
}

/// An event of the watch, reduced to what the mirror keeps of objects.
#[derive(Debug)]
enum Event<T> {
    ListBegins,
    Seen(store::Seen<T>),
    Deleted(ObjectKey),
    ListEnds,
}

impl<K> Mirror<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Mirrors the objects of `api` that `config` selects.
    #[must_use]
    pub fn new(api: Api<K>, config: Config) -> Self {
        Self::of(api, config, Some)
    }
}

impl<T: Send + Sync + 'static> Mirror<T> {
    /// Mirrors the results of `read` for the objects of `api` that `config` selects. An object for
    /// which it returns `None` counts as absent.
    #[must_use]
    pub fn of<K>(
        api: Api<K>,
        config: Config,
        read: impl Fn(K) -> Option<T> + Send + 'static,
    ) -> Self
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let seen = move |object: K| {
            let meta = object.meta();
            let key = ObjectKey::of(meta);
            let version = store::Version::of(meta);
            Event::Seen(store::Seen { key, version, value: read(object).map(Arc::new) })
        };
        let events = watcher(api, config).map(move |event| {
            Ok(match event? {
                watcher::Event::Init => Event::ListBegins,
                watcher::Event::InitApply(object) | watcher::Event::Apply(object) => seen(object),
                watcher::Event::InitDone => Event::ListEnds,
                watcher::Event::Delete(object) => Event::Deleted(ObjectKey::of(object.meta())),
            })
        });
        Self {
            kind: K::kind(&()).into_owned(),
            events: events.boxed(),
            store: Store::default(),
            queued_changes: VecDeque::new(),
            backoff: Backoff::doubling(PAUSE_INITIAL, PAUSE_MAX),
            pause: None,
            failed_at: None,
            is_listing: false,
            outage: watch::Sender::new(None),
        }
    }

    /// The read handle.
    #[must_use]
    pub fn store(&self) -> Store<T> {
        self.store.clone()
    }

    /// Whether it can follow its kind at the moment, and since when not.
    #[must_use]
    pub fn outage(&self) -> watch::Receiver<Option<Outage>> {
        self.outage.subscribe()
    }

    /// The next change, whenever it comes.
    pub async fn next(&mut self) -> Change<T> {
        loop {
            if let Some(change) = self.queued_changes.pop_front() {
                return change;
            }
            if let Some(pause) = &mut self.pause {
                pause.await;
                self.pause = None;
            }
            match self.events.next().await {
                Some(Ok(event)) => self.on(event),
                Some(Err(error)) => self.on_failure(&error),
                // kube's watches go on for ever.
                None => std::future::pending().await,
            }
        }
    }

    /// The changes as a stream, which never ends.
    pub fn into_stream(self) -> impl Stream<Item = Change<T>> + Send + 'static {
        stream::unfold(self, |mut mirror| async move {
            let change = mirror.next().await;
            Some((change, mirror))
        })
    }

    fn on(&mut self, event: Event<T>) {
        match event {
            Event::ListBegins => {
                self.is_listing = true;
                self.store.begin_list();
            }
            Event::Seen(seen) => {
                self.queued_changes.extend(self.store.see(seen));
                if !self.is_listing {
                    self.on_success();
                }
            }
            Event::Deleted(key) => {
                self.queued_changes.extend(self.store.remove(&key));
                self.on_success();
            }
            Event::ListEnds => {
                self.is_listing = false;
                self.queued_changes.extend(self.store.end_list());
                if self.store.set_in_sync() {
                    self.queued_changes.push_back(Change::InSync);
                }
                self.on_success();
            }
        }
    }

    fn on_success(&self) {
        if self.outage.borrow().is_some() {
            self.outage.send_replace(None);
            tracing::info!(kind = self.kind, "the watch works again");
        }
    }

    fn on_failure(&mut self, error: &watcher::Error) {
        // A list alone is no recovery: if only the watch fails, lists must not follow each other
        // fast.
        if self.failed_at.is_some_and(|at| at.elapsed() > PAUSE_MAX * 2) {
            self.backoff.reset();
        }
        self.failed_at = Some(Instant::now());
        self.pause = Some(Box::pin(tokio::time::sleep(self.backoff.next_pause())));
        let before = self.outage.borrow().clone();
        let outage = Outage::next(before.as_ref(), &self.kind, error.to_string(), Instant::now());
        self.outage.send_replace(Some(outage));
        if before.is_some() {
            tracing::debug!(kind = self.kind, %error, "the watch fails again");
        } else {
            tracing::warn!(kind = self.kind, %error, "the watch failed; trying again");
        }
    }
}

#[cfg(test)]
mod tests;

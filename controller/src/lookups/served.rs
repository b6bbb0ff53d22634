//! The routing version that activators serve: asked once per version, cached, read by reconcilers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Resource;
use parking_lot::Mutex;
use rouse_k8s::{Backoff, ObjectKey};
use rouse_kit::Component;
use rouse_kit::panics::catch_async;

use super::Answered;
use crate::objects::meta::{key, uid};
use crate::watched::queue::Queue;

/// Pauses before activators are asked again.
const RETRY: Backoff = Backoff::doubling(Duration::from_millis(100), Duration::from_secs(5));

/// The kinds that have `status.routing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Routed {
    Route,
    DomainMapping,
}

/// Why a version is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotServed(pub String);

/// Asks the activators which routing version they serve.
pub trait Activators: Send + Sync + 'static {
    /// Completes when every Ready activator serves that version of the object's `status.routing`,
    /// or a later one.
    fn served(
        &self,
        kind: Routed,
        namespace: &str,
        name: &str,
        version: i64,
    ) -> BoxFuture<'static, Result<(), NotServed>>;
}

/// A kind that activators route by.
pub(crate) trait HasRouting:
    Resource<DynamicType = ()> + Clone + Send + Sync + 'static
{
    const ROUTED: Routed;
}

impl HasRouting for rouse_api::Route {
    const ROUTED: Routed = Routed::Route;
}

impl HasRouting for rouse_api::DomainMapping {
    const ROUTED: Routed = Routed::DomainMapping;
}

/// The answer about the newest version that was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Not asked for yet.
    #[default]
    Unknown,
    /// Asked for.
    Asked { version: i64 },
    /// All activators serve it.
    Known { version: i64 },
    /// Not served; asked again in the background.
    Failed { version: i64, problem: String },
}

impl Serving {
    /// Whether every activator serves `version`.
    pub(crate) fn serves(&self, version: i64) -> bool {
        matches!(self, Self::Known { version: known } if *known >= version)
    }

    /// Why it is not served, where activators said.
    pub(crate) fn problem(&self) -> Option<&str> {
        match self {
            Self::Failed { problem, .. } => Some(problem),
            Self::Unknown | Self::Asked { .. } | Self::Known { .. } => None,
        }
    }

    /// The question to ask about the version in an object's status; None if it was asked.
    pub(crate) fn question(&self, written: Option<i64>) -> Option<ServedLookup> {
        let version = written.filter(|written| self.asked() < Some(*written))?;
        Some(ServedLookup { version })
    }

    fn asked(&self) -> Option<i64> {
        match self {
            Self::Unknown => None,
            Self::Asked { version } | Self::Known { version } | Self::Failed { version, .. } => {
                Some(*version)
            }
        }
    }
}

/// A lookup to start: whether activators serve a version of an object's routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServedLookup {
    version: i64,
}

struct Entry {
    uid: String,
    state: Serving,
}

/// Asks activators and caches their answers.
pub(crate) struct Served<K: HasRouting> {
    activators: Arc<dyn Activators>,
    entries: Arc<Mutex<HashMap<ObjectKey, Entry>>>,
    queue: Queue<K>,
    component: Component,
}

/// The first question, not answered yet.
type Question = BoxFuture<'static, Result<(), NotServed>>;

impl<K: HasRouting> Served<K> {
    pub(crate) fn new(
        activators: Arc<dyn Activators>,
        queue: Queue<K>,
        component: &Component,
    ) -> Self {
        Self { activators, entries: Arc::default(), queue, component: component.clone() }
    }

    /// The present answer about the object.
    pub(crate) fn known(&self, object: &K) -> Serving {
        let entries = self.entries.lock();
        match entries.get(&key(object)) {
            Some(entry) if entry.uid == uid(object) => entry.state.clone(),
            Some(_) | None => Serving::Unknown,
        }
    }

    /// Starts to ask. An earlier question about the same object is given up.
    pub(crate) fn look_up(&self, object: &K, lookup: ServedLookup) -> Answered {
        let ServedLookup { version } = lookup;
        let key = key(object);
        let mut question = self.activators.served(K::ROUTED, &key.namespace, &key.name, version);
        let first = (&mut question).now_or_never();
        let (state, answered) = match first {
            Some(Ok(())) => (Serving::Known { version }, Answered::AtOnce),
            Some(Err(_)) | None => (Serving::Asked { version }, Answered::Later),
        };
        let entry = Entry { uid: uid(object).to_owned(), state };
        self.entries.lock().insert(key.clone(), entry);
        match first {
            Some(Ok(())) => {}
            Some(Err(_)) => self.ask(key, version, None),
            None => self.ask(key, version, Some(question)),
        }
        answered
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.entries.lock().remove(key);
    }

    /// Asks in the background until the version is served, or another is asked about.
    fn ask(&self, key: ObjectKey, version: i64, mut first: Option<Question>) {
        let (activators, entries) = (Arc::clone(&self.activators), Arc::clone(&self.entries));
        let queue = self.queue.clone();
        let work = async move {
            let mut backoff = RETRY;
            loop {
                let question = match first.take() {
                    Some(question) => question,
                    None => {
                        tokio::time::sleep(backoff.next_pause()).await;
                        activators.served(K::ROUTED, &key.namespace, &key.name, version)
                    }
                };
                let result = catch_async(question)
                    .await
                    .unwrap_or_else(|panicked| Err(NotServed(panicked.to_string())));
                let known = result.is_ok();
                match entries.lock().get_mut(&key) {
                    Some(entry) if entry.state.asked() == Some(version) => {
                        entry.state = match result {
                            Ok(()) => Serving::Known { version },
                            Err(NotServed(problem)) => Serving::Failed { version, problem },
                        };
                    }
                    // The object is gone, or another version was asked about since.
                    Some(_) | None => return,
                }
                queue.wake(&key.namespace, &key.name).await;
                if known {
                    return;
                }
            }
        };
        let end = self.component.shutdown.clone();
        let work = end.run_until_cancelled_owned(work).map(drop);
        self.component.tasks.detached("served-lookup", work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_once() {
        let (version, problem) = (7, "starting".to_owned());
        let states = [
            Serving::Asked { version },
            Serving::Known { version },
            Serving::Failed { version, problem },
        ];
        for state in states {
            assert_eq!(state.question(Some(7)), None, "{state:?}");
            assert_eq!(state.question(Some(8)), Some(ServedLookup { version: 8 }), "{state:?}");
            assert_eq!(state.question(None), None, "{state:?}");
        }
        assert_eq!(Serving::Unknown.question(Some(7)), Some(ServedLookup { version: 7 }));
    }

    #[test]
    fn only_what_activators_confirmed_is_served() {
        assert!(Serving::Known { version: 7 }.serves(7) && Serving::Known { version: 7 }.serves(6));
        assert!(!Serving::Known { version: 7 }.serves(8));
        assert!(!Serving::Asked { version: 7 }.serves(7));
    }
}

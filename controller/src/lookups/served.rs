//! How far activators are: asked once per routing version, remembered, and told to the reconciler.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Resource;
use parking_lot::Mutex;
use rouse_kit::Shutdown;

use crate::objects::meta::{name, namespace};
use crate::watched::queues::Queue;

/// The first pause before asking again; doubled with each refusal.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Whose `status.routing` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Routed {
    Route,
    DomainMapping,
}

/// Why a version is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotServed(pub String);

/// Those who serve requests.
pub trait Activators: Send + Sync + 'static {
    /// Done when every Ready activator serves that version of the object's `status.routing`, or a
    /// later one.
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

/// What is known of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The highest version that all serve.
    pub(crate) version: Option<i64>,
    /// Why a higher one is not served; asked again in the background.
    pub(crate) problem: Option<String>,
}

struct Entry {
    uid: Option<String>,
    asked: i64,
    answer: Answer,
}

type Key = (String, String);

/// Asks, and remembers.
pub(crate) struct Served<K: HasRouting> {
    activators: Arc<dyn Activators>,
    entries: Arc<Mutex<HashMap<Key, Entry>>>,
    queue: Queue<K>,
    shutdown: Shutdown,
}

impl<K: HasRouting> Served<K> {
    pub(crate) fn new(
        activators: Arc<dyn Activators>,
        queue: Queue<K>,
        shutdown: Shutdown,
    ) -> Self {
        Self { activators, entries: Arc::default(), queue, shutdown }
    }

    /// What is known now. `written` is the version in the object's status; one that was not asked
    /// for yet is asked for.
    pub(crate) fn look(&self, object: &K, written: Option<i64>) -> Answer {
        let Some(version) = written else { return Answer::default() };
        let key = (namespace(object).to_owned(), name(object).to_owned());
        let uid = object.meta().uid.clone();
        {
            let mut entries = self.entries.lock();
            match entries.get(&key) {
                Some(entry) if entry.uid == uid && entry.asked >= version => {
                    return entry.answer.clone();
                }
                Some(entry) if entry.uid == uid => {
                    let answer = entry.answer.clone();
                    entries.insert(key.clone(), Entry { uid, asked: version, answer });
                }
                Some(_) | None => {
                    let answer = Answer::default();
                    entries.insert(key.clone(), Entry { uid, asked: version, answer });
                }
            }
        }
        let mut asking = self.activators.served(K::ROUTED, &key.0, &key.1, version);
        match (&mut asking).now_or_never() {
            Some(Ok(())) => {
                let answer = Answer { version: Some(version), problem: None };
                if let Some(entry) = self.entries.lock().get_mut(&key) {
                    entry.answer = answer.clone();
                }
                answer
            }
            Some(Err(_)) => self.ask(key, version, None),
            None => self.ask(key, version, Some(asking)),
        }
    }

    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        self.entries.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Asks in the background until it is served, or another version is asked for.
    fn ask(
        &self,
        key: Key,
        version: i64,
        mut first: Option<BoxFuture<'static, Result<(), NotServed>>>,
    ) -> Answer {
        let answer = self.entries.lock().get(&key).map(|e| e.answer.clone()).unwrap_or_default();
        let (activators, entries) = (Arc::clone(&self.activators), Arc::clone(&self.entries));
        let queue = self.queue.clone();
        let work = async move {
            let mut pause = RETRY_FIRST;
            loop {
                let asking = match first.take() {
                    Some(asking) => asking,
                    None => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(RETRY_MAX);
                        activators.served(K::ROUTED, &key.0, &key.1, version)
                    }
                };
                let result = asking.await;
                let done = result.is_ok();
                match entries.lock().get_mut(&key) {
                    Some(entry) if entry.asked == version => match result {
                        Ok(()) => {
                            entry.answer = Answer { version: Some(version), problem: None };
                        }
                        Err(NotServed(problem)) => entry.answer.problem = Some(problem),
                    },
                    // Gone, or overtaken: somebody else asks.
                    Some(_) | None => return,
                }
                queue.wake(&key.0, &key.1).await;
                if done {
                    return;
                }
            }
        };
        tokio::spawn(self.shutdown.clone().run_until_cancelled_owned(work));
        answer
    }
}

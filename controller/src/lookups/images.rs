//! From image names to digests: one lookup per Revision, repeated until it succeeds.
//!
//! An image that is at hand is resolved on the spot; a registry is asked in the background, a few
//! at a time. The answer is kept until the Revision is gone, and wakes its reconciler.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Container;
use parking_lot::Mutex;
use rouse_api::Revision;
use rouse_api::revision::ContainerImage;
use rouse_kit::Shutdown;
use tokio::sync::Semaphore;

use super::Answered;
use crate::objects::meta::{name, namespace, uid};
use crate::watched::queues::Queue;

/// Revisions whose images are looked up at a time.
const LOOKUPS: usize = 8;
/// The first pause after a failure; doubled with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause: an image that was pushed or built meanwhile is found within this time.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// Resolves image names.
pub trait Images: Send + Sync + 'static {
    /// `name@digest`, which means the same image forever; empty if the registry is one of
    /// `skipped`. The error is a sentence for users.
    fn pin(
        &self,
        image: String,
        skipped: Arc<BTreeSet<String>>,
    ) -> BoxFuture<'static, Result<String, String>>;
}

impl Images for rouse_image::Store {
    fn pin(
        &self,
        image: String,
        skipped: Arc<BTreeSet<String>>,
    ) -> BoxFuture<'static, Result<String, String>> {
        let store = self.clone();
        async move {
            let reference: rouse_image::Reference =
                image.parse().map_err(|error: rouse_image::Error| error.to_string())?;
            if skipped.contains(reference.registry()) {
                return Ok(String::new());
            }
            let resolved = store.resolve(&reference).await.map_err(|error| error.to_string())?;
            Ok(resolved.pinned)
        }
        .boxed()
    }
}

/// What is known of a Revision's images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pinned {
    /// Not asked for yet.
    Unknown,
    /// Asked for.
    Looking,
    Known(Digests),
    /// A sentence for users; looked up again in the background.
    Failed(String),
}

/// The images of a Revision's containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Digests {
    pub(crate) containers: Vec<ContainerImage>,
    pub(crate) init: Vec<ContainerImage>,
}

/// A lookup to start: the images of a Revision, by container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageLookup {
    containers: Vec<Named>,
    init: Vec<Named>,
    /// Registries whose tags stay as they are.
    skipped: Arc<BTreeSet<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    container: String,
    image: String,
}

impl ImageLookup {
    pub(crate) fn of(revision: &Revision, skipped: &BTreeSet<String>) -> Self {
        let named = |container: &Container| Named {
            container: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
        };
        let pod = &revision.spec.pod;
        Self {
            containers: pod.containers.iter().map(named).collect(),
            init: pod.init_containers.iter().flatten().map(named).collect(),
            skipped: Arc::new(skipped.clone()),
        }
    }

    async fn run(&self, images: Arc<dyn Images>) -> Result<Digests, String> {
        Ok(Digests {
            containers: self.pin(&images, &self.containers).await?,
            init: self.pin(&images, &self.init).await?,
        })
    }

    async fn pin(
        &self,
        images: &Arc<dyn Images>,
        named: &[Named],
    ) -> Result<Vec<ContainerImage>, String> {
        let mut pinned = Vec::new();
        for Named { container, image } in named {
            let image_digest = images
                .pin(image.clone(), Arc::clone(&self.skipped))
                .await
                .map_err(|reason| format!("Unable to fetch image {image:?}: {reason}"))?;
            pinned.push(ContainerImage { name: container.clone(), image_digest });
        }
        Ok(pinned)
    }
}

struct Entry {
    uid: String,
    state: Pinned,
}

type Key = (String, String);

/// Looks images up, and remembers.
#[derive(Clone)]
pub(crate) struct Pins {
    images: Arc<dyn Images>,
    entries: Arc<Mutex<HashMap<Key, Entry>>>,
    permits: Arc<Semaphore>,
    queue: Queue<Revision>,
    shutdown: Shutdown,
}

/// A first attempt that has begun.
type Attempt = BoxFuture<'static, Result<Digests, String>>;

impl Pins {
    pub(crate) fn new(images: Arc<dyn Images>, queue: Queue<Revision>, shutdown: Shutdown) -> Self {
        let permits = Arc::new(Semaphore::new(LOOKUPS));
        Self { images, entries: Arc::default(), permits, queue, shutdown }
    }

    /// What is known now.
    pub(crate) fn known(&self, revision: &Revision) -> Pinned {
        let entries = self.entries.lock();
        match entries.get(&key(revision)) {
            Some(entry) if entry.uid == uid(revision) => entry.state.clone(),
            Some(_) | None => Pinned::Unknown,
        }
    }

    /// Starts a lookup.
    pub(crate) fn look_up(&self, revision: &Revision, lookup: ImageLookup) -> Answered {
        let (key, uid) = (key(revision), uid(revision).to_owned());
        let mut attempt = self.attempt(lookup.clone());
        let first = (&mut attempt).now_or_never();
        let (state, attempt, answered) = match first {
            Some(Ok(digests)) => (Pinned::Known(digests), None, Answered::AtOnce),
            Some(Err(message)) => (Pinned::Failed(message), None, Answered::AtOnce),
            None => (Pinned::Looking, Some(attempt), Answered::Later),
        };
        let known = matches!(state, Pinned::Known(_));
        self.entries.lock().insert(key.clone(), Entry { uid: uid.clone(), state });
        if !known {
            let work = self.clone().until_known(key, uid, lookup, attempt);
            tokio::spawn(self.shutdown.clone().run_until_cancelled_owned(work));
        }
        answered
    }

    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        self.entries.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn attempt(&self, lookup: ImageLookup) -> Attempt {
        let images = Arc::clone(&self.images);
        async move { lookup.run(images).await }.boxed()
    }

    async fn until_known(
        self,
        key: Key,
        uid: String,
        lookup: ImageLookup,
        mut first: Option<Attempt>,
    ) {
        let mut pause = RETRY_FIRST;
        loop {
            let attempt = match first.take() {
                Some(attempt) => attempt,
                None => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                    self.attempt(lookup.clone())
                }
            };
            let result = {
                let Ok(_permit) = self.permits.acquire().await else { return };
                attempt.await
            };
            let known = result.is_ok();
            match self.entries.lock().get_mut(&key) {
                Some(entry) if entry.uid == uid => {
                    entry.state = result.map_or_else(Pinned::Failed, Pinned::Known);
                }
                // The Revision is gone: nobody waits for it.
                Some(_) | None => return,
            }
            self.queue.wake(&key.0, &key.1).await;
            if known {
                return;
            }
        }
    }
}

fn key(revision: &Revision) -> Key {
    (namespace(revision).to_owned(), name(revision).to_owned())
}

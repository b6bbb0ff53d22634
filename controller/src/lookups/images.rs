//! From image names to digests: one task per Revision, repeated until it succeeds.
//!
//! An image that is at hand is resolved on the spot; a registry is asked in the background, a few
//! at a time. What came out is kept until the Revision is gone, and wakes its reconciler.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rouse_api::revision::ContainerImage;
use rouse_api::{Revision, RevisionSpec};
use rouse_kit::Shutdown;
use tokio::sync::Semaphore;

use crate::objects::meta::{name, namespace};
use crate::watched::queues::Queue;

/// Revisions whose images are looked up at a time.
const LOOKUPS: usize = 8;
/// The first pause after a failure; doubled with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause: an image that was pushed or built meanwhile is found within this time.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// Who knows what an image name means.
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
    Pending,
    Done {
        containers: Vec<ContainerImage>,
        init: Vec<ContainerImage>,
    },
    /// A sentence for users; looked up again in the background.
    Failed(String),
}

struct Entry {
    uid: String,
    state: Pinned,
}

type Entries = Arc<Mutex<HashMap<(String, String), Entry>>>;

/// Looks images up, and remembers.
#[derive(Clone)]
pub(crate) struct Pins {
    images: Arc<dyn Images>,
    entries: Entries,
    permits: Arc<Semaphore>,
    queue: Queue<Revision>,
    shutdown: Shutdown,
}

impl Pins {
    pub(crate) fn new(images: Arc<dyn Images>, queue: Queue<Revision>, shutdown: Shutdown) -> Self {
        let permits = Arc::new(Semaphore::new(LOOKUPS));
        Self { images, entries: Entries::default(), permits, queue, shutdown }
    }

    /// What is known now. The first question starts the lookup.
    pub(crate) fn look(&self, revision: &Revision, skipped: &BTreeSet<String>) -> Pinned {
        if let Some(done) = already(revision) {
            return done;
        }
        let key = (namespace(revision).to_owned(), name(revision).to_owned());
        let uid = revision.metadata.uid.clone().unwrap_or_default();
        if let Some(entry) = self.entries.lock().get(&key)
            && entry.uid == uid
        {
            return entry.state.clone();
        }
        let skipped = Arc::new(skipped.clone());
        let lookup = pin_all(Arc::clone(&self.images), revision.spec.clone(), Arc::clone(&skipped));
        let mut lookup = lookup.boxed();
        let state = match (&mut lookup).now_or_never() {
            Some(Ok(done)) => done,
            Some(Err(message)) => {
                self.spawn(key.clone(), uid.clone(), revision.spec.clone(), skipped, None);
                Pinned::Failed(message)
            }
            None => {
                self.spawn(key.clone(), uid.clone(), revision.spec.clone(), skipped, Some(lookup));
                Pinned::Pending
            }
        };
        self.entries.lock().insert(key, Entry { uid, state: state.clone() });
        state
    }

    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        self.entries.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn spawn(
        &self,
        key: (String, String),
        uid: String,
        spec: RevisionSpec,
        skipped: Arc<BTreeSet<String>>,
        first: Option<BoxFuture<'static, Result<Pinned, String>>>,
    ) {
        let pins = self.clone();
        let shutdown = self.shutdown.clone();
        let work = async move { pins.until_done(key, uid, spec, skipped, first).await };
        tokio::spawn(shutdown.run_until_cancelled_owned(work));
    }

    async fn until_done(
        self,
        key: (String, String),
        uid: String,
        spec: RevisionSpec,
        skipped: Arc<BTreeSet<String>>,
        mut first: Option<BoxFuture<'static, Result<Pinned, String>>>,
    ) {
        let mut pause = RETRY_FIRST;
        loop {
            let lookup = match first.take() {
                Some(lookup) => lookup,
                None => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                    pin_all(Arc::clone(&self.images), spec.clone(), Arc::clone(&skipped)).boxed()
                }
            };
            let result = {
                let Ok(_permit) = self.permits.acquire().await else { return };
                lookup.await
            };
            let (state, done) = match result {
                Ok(state) => (state, true),
                Err(message) => (Pinned::Failed(message), false),
            };
            match self.entries.lock().get_mut(&key) {
                Some(entry) if entry.uid == uid => entry.state = state,
                // The Revision is gone: nobody waits for it.
                Some(_) | None => return,
            }
            self.queue.wake(&key.0, &key.1).await;
            if done {
                return;
            }
        }
    }
}

/// A Revision that was pinned once stays so.
fn already(revision: &Revision) -> Option<Pinned> {
    let status = revision.status.as_ref()?;
    let complete = status.container_statuses.len() == revision.spec.pod.containers.len();
    (complete && !status.container_statuses.is_empty()).then(|| Pinned::Done {
        containers: status.container_statuses.clone(),
        init: status.init_container_statuses.clone(),
    })
}

async fn pin_all(
    images: Arc<dyn Images>,
    spec: RevisionSpec,
    skipped: Arc<BTreeSet<String>>,
) -> Result<Pinned, String> {
    let mut pinned = [Vec::new(), Vec::new()];
    let init = spec.pod.init_containers.unwrap_or_default();
    for (group, containers) in pinned.iter_mut().zip([spec.pod.containers, init]) {
        for container in containers {
            let image = container.image.unwrap_or_default();
            let image_digest = images
                .pin(image.clone(), Arc::clone(&skipped))
                .await
                .map_err(|reason| format!("Unable to fetch image {image:?}: {reason}"))?;
            group.push(ContainerImage { name: container.name, image_digest });
        }
    }
    let [containers, init] = pinned;
    Ok(Pinned::Done { containers, init })
}

//! From image names to digests: one lookup per Revision, repeated until it succeeds.
//!
//! A local image is resolved at once; a registry is asked in the background, for a few Revisions at
//! a time. The answer is kept until the Revision is gone, and wakes its reconciler.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Container;
use kube::Client;
use parking_lot::Mutex;
use rouse_api::Revision;
use rouse_api::revision::ContainerImage;
use rouse_image::Logins;
use rouse_k8s::{Backoff, ObjectKey};
use rouse_kit::Component;
use rouse_kit::panics::catch_async;
use tokio::sync::Semaphore;

use super::Answered;
use super::secrets::PullSecrets;
use crate::objects::meta::{key, uid};
use crate::watched::queue::Queue;

/// Revisions whose images are looked up at a time.
const LOOKUPS: usize = 8;
/// An image that was pushed or built meanwhile is found within the longest pause.
const RETRY: Backoff = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(15));

/// Resolves image names.
pub trait Images: Send + Sync + 'static {
    /// `name@digest`, which means the same image forever; empty if the registry is one of
    /// `skipped`. `logins` are the Revision's own. The error is a sentence for users.
    fn pin(
        &self,
        image: String,
        skipped: Arc<BTreeSet<String>>,
        logins: Logins,
    ) -> BoxFuture<'static, Result<String, String>>;
}

impl Images for rouse_image::Store {
    fn pin(
        &self,
        image: String,
        skipped: Arc<BTreeSet<String>>,
        logins: Logins,
    ) -> BoxFuture<'static, Result<String, String>> {
        let store = self.with_logins(logins);
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

/// The state of the lookup of a Revision's images.
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
    /// Registries whose tags are not resolved.
    skipped: Arc<BTreeSet<String>>,
    secrets: PullSecrets,
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
            secrets: PullSecrets::of(revision),
        }
    }

    async fn run(
        &self,
        images: Arc<dyn Images>,
        client: Option<Client>,
    ) -> Result<Digests, String> {
        let with = (&images, client.as_ref());
        Ok(Digests {
            containers: self.pin(with, &self.containers).await?,
            init: self.pin(with, &self.init).await?,
        })
    }

    async fn pin(
        &self,
        (images, client): (&Arc<dyn Images>, Option<&Client>),
        named: &[Named],
    ) -> Result<Vec<ContainerImage>, String> {
        let mut pinned = Vec::new();
        for Named { container, image } in named {
            let skipped = || Arc::clone(&self.skipped);
            let mut found = images.pin(image.clone(), skipped(), Logins::default()).await;
            // Secrets are read only for an image that is neither here nor everybody's: the others are
            // found without that wait.
            if let (Err(_), Some(client)) = (&found, client) {
                let logins = self.secrets.logins(client).await;
                if !logins.is_empty() {
                    found = images.pin(image.clone(), skipped(), logins).await;
                }
            }
            let image_digest =
                found.map_err(|reason| format!("Unable to fetch image {image:?}: {reason}"))?;
            pinned.push(ContainerImage { name: container.clone(), image_digest });
        }
        Ok(pinned)
    }
}

struct Entry {
    uid: String,
    state: Pinned,
}

/// Looks up images and caches their digests.
#[derive(Clone)]
pub(crate) struct Pins {
    images: Arc<dyn Images>,
    /// Reads pull secrets.
    client: Option<Client>,
    entries: Arc<Mutex<HashMap<ObjectKey, Entry>>>,
    permits: Arc<Semaphore>,
    queue: Queue<Revision>,
    component: Component,
}

/// A first attempt that has begun.
type Attempt = BoxFuture<'static, Result<Digests, String>>;

impl Pins {
    pub(crate) fn new(
        images: Arc<dyn Images>,
        client: Option<Client>,
        queue: Queue<Revision>,
        component: &Component,
    ) -> Self {
        let (entries, permits) = (Arc::default(), Arc::new(Semaphore::new(LOOKUPS)));
        Self { images, client, entries, permits, queue, component: component.clone() }
    }

    /// The present state of the Revision's lookup.
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
            let end = self.component.shutdown.clone();
            let work = end.run_until_cancelled_owned(work).map(drop);
            self.component.tasks.detached("image-lookup", work);
        }
        answered
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.entries.lock().remove(key);
    }

    fn attempt(&self, lookup: ImageLookup) -> Attempt {
        let (images, client) = (Arc::clone(&self.images), self.client.clone());
        async move { lookup.run(images, client).await }.boxed()
    }

    async fn until_known(
        self,
        key: ObjectKey,
        uid: String,
        lookup: ImageLookup,
        mut first: Option<Attempt>,
    ) {
        let mut backoff = RETRY;
        loop {
            let attempt = match first.take() {
                Some(attempt) => attempt,
                None => {
                    tokio::time::sleep(backoff.next_pause()).await;
                    self.attempt(lookup.clone())
                }
            };
            let result = {
                let Ok(_permit) = self.permits.acquire().await else { return };
                // A lookup that panics is tried again like one that fails.
                catch_async(attempt).await.unwrap_or_else(|panicked| Err(panicked.to_string()))
            };
            let known = result.is_ok();
            match self.entries.lock().get_mut(&key) {
                Some(entry) if entry.uid == uid => {
                    entry.state = result.map_or_else(Pinned::Failed, Pinned::Known);
                }
                // The Revision was deleted: its result is dropped.
                Some(_) | None => return,
            }
            self.queue.wake(&key.namespace, &key.name).await;
            if known {
                return;
            }
        }
    }
}

//! From image names to digests: one lookup per Revision, repeated until it succeeds.
//!
//! A local image is resolved at once; a registry is asked in the background, for a few Revisions at
//! a time. The answer is kept until the Revision is gone, and wakes its reconciler.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use k8s_openapi::api::core::v1::Container;
use kube::Client;
use parking_lot::Mutex;
use rouse_api::Revision;
use rouse_api::config::deployment::DeploymentConfig;
use rouse_api::revision::ContainerImage;
use rouse_api::validation::is_googles;
use rouse_image::Logins;
use rouse_k8s::{Backoff, ObjectKey};
use rouse_kit::Component;
use rouse_kit::panics::catch_async;
use rouse_kit::pull_secrets::PullSecrets;
use tokio::sync::{OnceCell, Semaphore};

use super::Answered;
use crate::objects::meta::{key, uid};
use crate::watched::queue::Queue;

/// Revisions whose images are looked up at a time.
const LOOKUPS: usize = 8;
/// An image that was pushed or built meanwhile is found within the longest pause.
const RETRY: Backoff = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(15));

/// How registries are asked for a Revision's images.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Registries that are not asked.
    pub skipped: Arc<BTreeSet<String>>,
    /// The Revision's own logins.
    pub logins: Logins,
    /// For one image.
    pub timeout: Duration,
}

/// Why an image has no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotPinned {
    /// A sentence for users.
    pub message: String,
    /// The registry gave no answer: a node may have the image, or be given it later.
    pub unreached: bool,
}

/// Resolves image names.
pub trait Images: Send + Sync + 'static {
    /// `name@digest`, which means the same image forever; empty if the registry is not asked.
    fn pin(&self, image: String, asking: Asking) -> BoxFuture<'static, Result<String, NotPinned>>;
}

impl Images for rouse_image::Store {
    fn pin(&self, image: String, asking: Asking) -> BoxFuture<'static, Result<String, NotPinned>> {
        let Asking { skipped, logins, timeout } = asking;
        let store = self.asking(logins, timeout);
        async move {
            let reference: rouse_image::Reference = image.parse().map_err(not_pinned)?;
            if skipped.contains(reference.registry()) {
                return Ok(String::new());
            }
            Ok(store.resolve(&reference).await.map_err(not_pinned)?.pinned)
        }
        .boxed()
    }
}

fn not_pinned(error: rouse_image::Error) -> NotPinned {
    NotPinned { unreached: error.is_temporary(), message: error.to_string() }
}

/// The state of the lookup of a Revision's images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pinned {
    /// Not asked for yet.
    Unknown,
    /// Asked for.
    Looking,
    Known(Digests),
    /// Registries that could not be reached, as a sentence for users, and the digests of the other images; looked up
    /// again in the background.
    Unreached(Digests, String),
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
    timeout: Duration,
    secrets: PullSecrets,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    container: String,
    image: String,
}

impl ImageLookup {
    pub(crate) fn of(revision: &Revision, settings: &DeploymentConfig) -> Self {
        let named = |container: &Container| Named {
            container: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
        };
        let pod = &revision.spec.pod;
        let account = pod.service_account_name.as_deref().filter(|name| !is_googles(name));
        let secrets = pod.image_pull_secrets.as_deref();
        Self {
            containers: pod.containers.iter().map(named).collect(),
            init: pod.init_containers.iter().flatten().map(named).collect(),
            skipped: Arc::new(settings.registries_skipping_tag_resolving.clone()),
            timeout: settings.digest_resolution_timeout,
            secrets: PullSecrets::new(&key(revision).namespace, secrets, account),
        }
    }

    /// Asks for all images at once.
    async fn run(&self, images: Arc<dyn Images>, client: Option<Client>) -> Pinned {
        let logins = OnceCell::new();
        let own = || self.logins(&logins, client.as_ref());
        let all = self.containers.iter().chain(&self.init);
        let answers = join_all(all.map(|named| self.pin(&images, &named.image, own))).await;
        let (mut pinned, mut unreached) = (Vec::new(), Vec::new());
        for (named, answer) in self.containers.iter().chain(&self.init).zip(answers) {
            let Named { container, image } = named;
            let image_digest = match answer {
                Ok(digest) => digest,
                Err(NotPinned { message, unreached: true }) => {
                    unreached.push(message);
                    String::new()
                }
                Err(NotPinned { message, unreached: false }) => {
                    return Pinned::Failed(format!("Unable to fetch image {image:?}: {message}"));
                }
            };
            pinned.push(ContainerImage { name: container.clone(), image_digest });
        }
        let init = pinned.split_off(self.containers.len());
        let digests = Digests { containers: pinned, init };
        if unreached.is_empty() {
            return Pinned::Known(digests);
        }
        unreached.dedup();
        Pinned::Unreached(digests, unreached.join("; "))
    }

    async fn pin<F: Future<Output = Logins>>(
        &self,
        images: &Arc<dyn Images>,
        image: &str,
        own: impl Fn() -> F,
    ) -> Result<String, NotPinned> {
        let asking =
            |logins| Asking { skipped: Arc::clone(&self.skipped), logins, timeout: self.timeout };
        let found = images.pin(image.to_owned(), asking(Logins::default())).await;
        // Secrets are read only for an image that is neither here nor everybody's: the others are
        // found without that wait.
        if !matches!(found, Err(NotPinned { unreached: false, .. })) {
            return found;
        }
        let logins = own().await;
        if logins.is_empty() {
            return found;
        }
        images.pin(image.to_owned(), asking(logins)).await
    }

    /// The logins of the pull secrets that can be read. The lookup itself says that an image is not to be had.
    async fn logins(&self, read: &OnceCell<Logins>, client: Option<&Client>) -> Logins {
        let reading = async || {
            let Some(client) = client else { return Logins::default() };
            let namespace = &self.secrets.namespace;
            match self.secrets.read(client).await {
                Ok(found) => {
                    let (logins, unreadable) = Logins::of(found.files);
                    if !unreadable.is_empty() {
                        tracing::info!(?unreadable, ns = namespace, "pull secrets cannot be read");
                    }
                    logins
                }
                Err(error) => {
                    tracing::info!(%error, ns = namespace, "pull secrets cannot be asked for");
                    Logins::default()
                }
            }
        };
        read.get_or_init(reading).await.clone()
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

/// An attempt that has begun.
type Attempt = BoxFuture<'static, Pinned>;

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
            Some(state) => (state, None, Answered::AtOnce),
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
            let state = {
                let Ok(_permit) = self.permits.acquire().await else { return };
                // A lookup that panics is tried again like one that fails.
                let answered = catch_async(attempt).await;
                answered.unwrap_or_else(|panicked| Pinned::Failed(panicked.to_string()))
            };
            let known = matches!(state, Pinned::Known(_));
            match self.entries.lock().get_mut(&key) {
                Some(entry) if entry.uid == uid => entry.state = state,
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

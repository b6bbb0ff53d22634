//! Images for the agent: found on this machine, or pulled.
//!
//! A trait, so that the agent and its tests do not depend on stores and registries.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rouse_image::{Digest, Logins, Reference, Store, silent};

/// An image that is on this machine, unpacked.
#[derive(Clone, Debug)]
pub struct LocalImage {
    /// As the pod names it.
    pub reference: String,
    pub image: rouse_image::Image,
    pub rootfs: PathBuf,
}

impl LocalImage {
    /// An empty image of this machine's architecture: only commands of the host can be run in it.
    /// For runtimes that run nothing, and for tests.
    #[must_use]
    pub fn empty(reference: &str, rootfs: &Path) -> Self {
        let digest = Digest::of(reference.as_bytes());
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self {
            reference: reference.to_owned(),
            image: rouse_image::Image {
                digest: digest.clone(),
                config_digest: digest,
                architecture: architecture.to_owned(),
                entrypoint: Vec::new(),
                cmd: Vec::new(),
                env: Vec::new(),
                working_dir: "/".to_owned(),
                user: String::new(),
                exposed_ports: Vec::new(),
                labels: BTreeMap::new(),
                stop_signal: None,
                layers: Vec::new(),
            },
            rootfs: rootfs.to_owned(),
        }
    }

    /// As `containerStatuses[].imageID` has it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}@{}", name_of(&self.reference), self.image.digest)
    }
}

/// A reference without tag and digest. Parsed by hand: this is on the path of a cold start, and the
/// first use of the full grammar compiles it, which takes longer than a program takes to start.
fn name_of(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon before a slash is a registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => name,
    }
}

/// The digest of a pinned reference.
fn digest_of(reference: &str) -> Option<Digest> {
    reference.split_once('@')?.1.parse().ok()
}

/// Why an image is not here, in a sentence for the pod's status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("{0}")]
    InvalidName(String),
    #[error("{0}")]
    Store(String),
}

/// Where images come from.
pub trait Images: Send + Sync + 'static {
    /// Local only: never the network, never unpacking.
    fn find(&self, reference: &str) -> Result<Option<Arc<LocalImage>>, ImageError>;

    /// From its registry, unpacked; `logins` are the pod's own. An image that was built here is not
    /// pulled.
    fn pull<'a>(
        &'a self,
        reference: &'a str,
        logins: Logins,
    ) -> BoxFuture<'a, Result<Arc<LocalImage>, ImageError>>;
}

/// The image store, with a cache of images by digest: a cold start reads no JSON.
pub struct StoreImages {
    store: Store,
    known: Mutex<HashMap<String, Arc<LocalImage>>>,
}

/// Cached images; hardly more Revisions than this run at once.
const KNOWN_MAX: usize = 1024;

impl StoreImages {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, known: Mutex::default() }
    }

    fn remember(&self, local: &Arc<LocalImage>) {
        // A tag may move; a digest means the same for ever.
        if digest_of(&local.reference).is_some() {
            let mut known = self.known.lock();
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(local.reference.clone(), Arc::clone(local));
        }
    }
}

fn store_error(error: &rouse_image::Error) -> ImageError {
    ImageError::Store(error.to_string())
}

fn parse(reference: &str) -> Result<Reference, ImageError> {
    reference.parse().map_err(|error: rouse_image::Error| {
        ImageError::InvalidName(format!(
            "Failed to apply default image tag {reference:?}: couldn't parse image name: {error}"
        ))
    })
}

impl Images for StoreImages {
    fn find(&self, reference: &str) -> Result<Option<Arc<LocalImage>>, ImageError> {
        if let Some(known) = self.known.lock().get(reference).cloned()
            && known.rootfs.exists()
        {
            return Ok(Some(known));
        }
        let image = match digest_of(reference) {
            Some(digest) => match self.store.image(&digest) {
                Err(rouse_image::Error::NotInStore { .. }) => return Ok(None),
                image => Some(image.map_err(|error| store_error(&error))?),
            },
            None => {
                let parsed = parse(reference)?;
                self.store.find(&parsed).map_err(|error| store_error(&error))?
            }
        };
        let Some(image) = image else { return Ok(None) };
        // An image in the store that is not unpacked counts as missing: the pull unpacks it.
        let Ok(rootfs) = self.store.rootfs(&image.digest) else { return Ok(None) };
        let local = Arc::new(LocalImage { reference: reference.to_owned(), image, rootfs });
        self.remember(&local);
        Ok(Some(local))
    }

    fn pull<'a>(
        &'a self,
        reference: &'a str,
        logins: Logins,
    ) -> BoxFuture<'a, Result<Arc<LocalImage>, ImageError>> {
        Box::pin(async move {
            let parsed = parse(reference)?;
            let store = self.store.with_logins(logins);
            let image =
                store.ensure(&parsed, &silent()).await.map_err(|error| store_error(&error))?;
            let rootfs = self.store.rootfs(&image.digest).map_err(|error| store_error(&error))?;
            let local = Arc::new(LocalImage { reference: reference.to_owned(), image, rootfs });
            self.remember(&local);
            Ok(local)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_without_the_grammar() {
        for (reference, want) in [
            ("app", "app"),
            ("app:1", "app"),
            ("host:5000/team/app", "host:5000/team/app"),
            ("host:5000/app:1", "host:5000/app"),
            ("host:5000/app:1@sha256:aa", "host:5000/app"),
        ] {
            assert_eq!(name_of(reference), want);
        }
    }

    #[test]
    fn a_pinned_image_that_is_not_here_is_to_be_pulled() {
        let dir = tempfile::tempdir().unwrap();
        let images = StoreImages::new(Store::open(dir.path()).unwrap());
        let pinned = format!("app@{}", Digest::of(b"nothing"));
        assert!(images.find(&pinned).unwrap().is_none());
        assert!(images.find("app:1").unwrap().is_none());
        let error = images.find("Not A Name").unwrap_err();
        assert!(matches!(error, ImageError::InvalidName(_)), "{error}");
    }
}

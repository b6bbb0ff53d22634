//! Resolving and pulling images from registries.

use std::fs;
use std::io::Write;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use super::distribution::Remote;
use super::engine::{self, InEngine};
use crate::formats::bound::{Bound, DOCUMENT_BYTES_MAX, LAYERS_MAX};
use crate::formats::config::{Descriptor, Image, Index, Manifest};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn, silent};
use crate::store::{Limits, Origin, Store, select_platform, unpack_image};

/// The current resolution of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Digest of the manifest, or of the index when the registry offers several platforms.
    pub digest: Digest,
    /// `NAME@DIGEST`, which means this image forever.
    pub pinned: String,
    /// Whether the store holds it already.
    pub in_store: bool,
}

impl Store {
    /// The digest that a reference resolves to: a digest to itself, the name of an image that was
    /// built here or imported to that image, any other name by the local Docker engine or its
    /// registry.
    ///
    /// An image that the engine alone has (built there, never pushed) goes before the registry's; of
    /// one that came from a registry the engine has a copy, which may be old: it is used like the
    /// store's own copy, when the registry fails.
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved, Error> {
        let resolved = |digest: Digest, in_store| Resolved {
            pinned: reference.pinned(&digest),
            digest,
            in_store,
        };
        let local = self.find_entry(reference)?;
        if let Some(digest) = reference.digest() {
            return Ok(resolved(digest.clone(), local.is_some()));
        }
        if let Some((digest, Origin::Built | Origin::Imported)) = local {
            return Ok(resolved(digest, true));
        }
        let mut in_engine = self.look_in_engine(reference).await;
        if let Some(found) = in_engine.take_if(|found| !found.has_registry) {
            let digest = self.take_from_engine(reference, found, &silent()).await?;
            return Ok(resolved(digest, true));
        }
        let error = match self.ask_registry(reference).await {
            Ok(digest) => {
                let in_store = self.blob_path(&digest).exists();
                return Ok(resolved(digest, in_store));
            }
            Err(error) => error,
        };
        if let Some(found) = in_engine {
            let digest = self.take_from_engine(reference, found, &silent()).await?;
            return Ok(resolved(digest, true));
        }
        match (error, local) {
            // The engine has lost it since, and no registry may know it.
            (_, Some((digest, Origin::Engine)))
            | (
                Error::Unreachable { .. }
                | Error::Unavailable { .. }
                | Error::Untrusted { .. }
                | Error::Registry { .. }
                | Error::Exceeded { .. },
                Some((digest, _)),
            ) => Ok(resolved(digest, true)),
            (error, _) => Err(error),
        }
    }

    async fn look_in_engine(&self, reference: &Reference) -> Option<InEngine> {
        engine::look(self.registry.docker_engine.as_deref(), reference).await
    }

    /// Reads a name again from the local Docker engine, if that has it: for names that no registry is
    /// asked for.
    pub async fn refresh_from_engine(&self, reference: &Reference) -> Result<(), Error> {
        if let Some((_, Origin::Built | Origin::Imported)) = self.find_entry(reference)? {
            return Ok(());
        }
        match self.look_in_engine(reference).await {
            Some(found) => self.take_from_engine(reference, found, &silent()).await.map(drop),
            None => Ok(()),
        }
    }

    async fn ask_registry(&self, reference: &Reference) -> Result<Digest, Error> {
        let within = Some(self.registry.resolve_timeout);
        self.at_first(reference, within, |remote| remote.digest().boxed()).await
    }

    /// Asks each place of an image until one has it. The registry's own error counts: it is asked after its mirrors.
    ///
    /// Of the time, each place has its share of what is left, so that one that hangs does not keep the next from being asked.
    async fn at_first<'a, T>(
        &'a self,
        reference: &'a Reference,
        within: Option<Duration>,
        ask: impl for<'r> Fn(&'r Remote<'a>) -> BoxFuture<'r, Result<T, Error>>,
    ) -> Result<T, Error> {
        let end = within.map(|within| Instant::now() + within);
        let endpoints = self.registry.registries.endpoints(reference);
        let mut failed = Error::Blocked { reference: reference.written().to_owned() };
        let left = (1..=endpoints.len()).rev();
        for (endpoint, left) in endpoints.into_iter().zip(left) {
            let registry = endpoint.registry.clone();
            let share = end.map(|end| share(end.saturating_duration_since(Instant::now()), left));
            let until = share.map(|share| Instant::now() + share);
            let remote = Remote::new(reference, endpoint, &self.registry, until);
            let asked = match share {
                Some(share) => {
                    let silent = |_elapsed| Err(silent_place(reference, &registry, share));
                    timeout(share, ask(&remote)).await.unwrap_or_else(silent)
                }
                None => ask(&remote).await,
            };
            match asked {
                Ok(found) => return Ok(found),
                Err(error) => {
                    tracing::info!(registry, %error, "an image is not to be had");
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    /// The image from this store, or else from the local Docker engine or its registry: unpacked and
    /// named.
    pub async fn ensure(
        &self,
        reference: &Reference,
        progress: &ProgressFn,
    ) -> Result<Image, Error> {
        if let Some((digest, _)) = self.find_entry(reference)? {
            let store = self.clone();
            let unpacked = blocking(move || store.unpack(&digest)).await;
            unpacked.map_err(|error| error.naming(reference.written()))?;
            return self
                .find(reference)?
                .ok_or_else(|| Error::NotInStore { reference: reference.to_string() });
        }
        // A digest of a registry is not the engine's.
        if reference.digest().is_none()
            && let Some(found) = self.look_in_engine(reference).await
        {
            let digest = self.take_from_engine(reference, found, progress).await?;
            return self.image(&digest);
        }
        self.pull(reference, progress).await
    }

    /// Pulls an image from its registry. Layers already in the store are not fetched.
    pub async fn pull(&self, reference: &Reference, progress: &ProgressFn) -> Result<Image, Error> {
        let pulled = self.at_first(reference, None, |remote| {
            self.pull_from(remote, reference, progress).boxed()
        });
        let pulled = pulled.await;
        pulled.map_err(|error| error.naming(reference.written()))
    }

    async fn pull_from(
        &self,
        remote: &Remote<'_>,
        reference: &Reference,
        progress: &ProgressFn,
    ) -> Result<Image, Error> {
        let mut fetched = Vec::new();
        let pulled = self.pull_noting(remote, reference, progress, &mut fetched).await;
        let hostile = match &pulled {
            Err(Error::Exceeded { bound, .. }) => !bound.is_slowness(),
            Err(Error::BadLayer { .. }) => true,
            Ok(_) | Err(_) => false,
        };
        if hostile {
            // The blobs of such an image have no name and would stay for ever. The manifest goes first.
            for blob in fetched.iter().rev() {
                let _ = fs::remove_file(self.blob_path(blob));
            }
        }
        pulled
    }

    async fn pull_noting(
        &self,
        remote: &Remote<'_>,
        reference: &Reference,
        progress: &ProgressFn,
        fetched: &mut Vec<Digest>,
    ) -> Result<Image, Error> {
        progress(Progress::Step(format!("pulling {reference}")));
        let (top_bytes, top) = remote.top().await?;
        let index: Index = parse(reference, &top_bytes)?;
        let (manifest_bytes, manifest_digest) = if index.manifests.is_empty() {
            (top_bytes.clone(), top.clone())
        } else {
            remote.by_digest(&select_platform(&index, reference.written())?.digest).await?
        };
        let manifest: Manifest = parse(reference, &manifest_bytes)?;
        check(&manifest, &self.limits)
            .map_err(|bound| Error::exceeded(reference.written(), bound))?;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            self.fetch_blob(remote, blob, progress, fetched).await?;
        }
        let documents = [&manifest_digest, &top];
        fetched.extend(documents.into_iter().filter(|d| !self.blob_path(d).exists()).cloned());
        let (store, reference) = (self.clone(), reference.clone());
        let step = progress.clone();
        blocking(move || {
            store.put(&manifest_bytes)?;
            if top != manifest_digest {
                store.put(&top_bytes)?;
            }
            let image = store.image(&top)?;
            step(Progress::Step(format!("unpacking {reference}")));
            unpack_image(&store, &image)?;
            store.name(&reference, &top, Origin::Pulled)?;
            Ok(image)
        })
        .await
    }

    async fn fetch_blob(
        &self,
        remote: &Remote<'_>,
        blob: &Descriptor,
        progress: &ProgressFn,
        fetched: &mut Vec<Digest>,
    ) -> Result<(), Error> {
        let digest = blob.digest.clone();
        if self.blob_path(&digest).exists() {
            self.touch(&digest);
            progress(Progress::Reused { digest, what: "already in the store".to_owned() });
            return Ok(());
        }
        let mut writer = self.blob_writer()?;
        let mut arriving = remote.blob(blob).await?;
        while let Some(chunk) = arriving.chunk().await? {
            // Writing to a local file from the async side is deliberate: a chunk is small and the
            // page cache takes it.
            writer.write_all(&chunk).map_err(Error::io("write", self.dir()))?;
            let (digest, done) = (digest.clone(), writer.written());
            progress(Progress::Layer { digest, done, total: blob.size });
        }
        writer.finish(&digest)?;
        fetched.push(digest);
        Ok(())
    }
}

/// The part of the time that is left for the first of some places.
fn share(left: Duration, places: usize) -> Duration {
    left / u32::try_from(places).unwrap_or(u32::MAX).max(1)
}

fn silent_place(reference: &Reference, registry: &str, waited: Duration) -> Error {
    let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    Error::Unreachable {
        reference: reference.written().to_owned(),
        registry: registry.to_owned(),
        reason: format!("no answer within {waited:?}"),
    }
}

/// Checks the sizes in a manifest against the limits.
pub(super) fn check(manifest: &Manifest, limits: &Limits) -> Result<(), Bound> {
    if manifest.config.size > DOCUMENT_BYTES_MAX {
        return Err(Bound::Document { what: "configuration", max: DOCUMENT_BYTES_MAX });
    }
    let layers = manifest.layers.len();
    if layers > LAYERS_MAX {
        return Err(Bound::Layers { layers, max: LAYERS_MAX });
    }
    let size = manifest.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
    if size > limits.bytes {
        return Err(Bound::Download { max: limits.bytes });
    }
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(reference: &Reference, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::Registry {
        reference: reference.written().to_owned(),
        registry: reference.registry().to_owned(),
        reason: format!("its manifest cannot be read: {e}"),
    })
}

async fn blocking<R: Send + 'static>(
    f: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    #[expect(clippy::disallowed_methods, reason = "awaited here")]
    let work = tokio::task::spawn_blocking(f);
    work.await.expect("disk work neither panics nor is cancelled")
}

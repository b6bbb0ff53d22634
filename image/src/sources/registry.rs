//! Registries: what a name means there, and bringing it here.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use tokio::io::AsyncWrite;

use crate::formats::config::{
    DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, Image, Index, MANIFEST, Manifest,
};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;
use crate::progress::{Progress, ProgressFn};
use crate::store::{BlobWriter, Origin, Store, select_platform, unpack_image};

/// What a reference means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Of the manifest, or of the index when the registry offers several platforms.
    pub digest: Digest,
    /// `NAME@DIGEST`, which means this image forever.
    pub pinned: String,
    /// Whether the store holds it already.
    pub in_store: bool,
}

const ACCEPTED: &[&str] = &[MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];

impl Store {
    /// The digest that a reference means. A digest means itself; an image built here means what was
    /// built; for any other name the registry is asked, and the copy in the store answers when that
    /// cannot be reached.
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
        if let Some((digest, Origin::Built)) = local {
            return Ok(resolved(digest, true));
        }
        let asked = self.ask_registry(reference).await;
        match (asked, local) {
            (Ok(digest), _) => {
                let in_store = self.blob_path(&digest).exists();
                Ok(resolved(digest, in_store))
            }
            (Err(Error::Unreachable { .. } | Error::Registry { .. }), Some((digest, _))) => {
                Ok(resolved(digest, true))
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn ask_registry(&self, reference: &Reference) -> Result<Digest, Error> {
        let client = self.client(reference);
        let auth = self.login(reference);
        let timeout = self.registry.resolve_timeout;
        let asking = client.fetch_manifest_digest(reference.oci(), &auth);
        match tokio::time::timeout(timeout, asking).await {
            Ok(Ok(digest)) => Ok(digest.parse()?),
            Ok(Err(error)) => Err(explain(reference, error)),
            Err(_elapsed) => Err(Error::Unreachable {
                reference: reference.written().to_owned(),
                registry: reference.registry().to_owned(),
                reason: format!("no answer within {} s", timeout.as_secs()),
            }),
        }
    }

    /// The image from this store, or else from its registry: pulled, unpacked and named.
    pub async fn ensure(
        &self,
        reference: &Reference,
        progress: &ProgressFn,
    ) -> Result<Image, Error> {
        if let Some((digest, _)) = self.find_entry(reference)? {
            let store = self.clone();
            blocking(move || store.unpack(&digest)).await?;
            return self
                .find(reference)?
                .ok_or_else(|| Error::NotInStore { reference: reference.to_string() });
        }
        self.pull(reference, progress).await
    }

    /// Brings an image here from its registry. Layers that are here already are not fetched.
    pub async fn pull(&self, reference: &Reference, progress: &ProgressFn) -> Result<Image, Error> {
        let client = self.client(reference);
        let auth = self.login(reference);
        progress(Progress::Step(format!("pulling {reference}")));
        let (top_bytes, top) = fetch_manifest(&client, &auth, reference, reference).await?;
        let index: Index = parse(reference, &top_bytes)?;
        let (manifest_bytes, manifest_digest) = if index.manifests.is_empty() {
            (top_bytes.clone(), top.clone())
        } else {
            let chosen = &select_platform(&index, reference.written())?.digest;
            let by_digest: Reference = reference.pinned(chosen).parse()?;
            fetch_manifest(&client, &auth, reference, &by_digest).await?
        };
        let manifest: Manifest = parse(reference, &manifest_bytes)?;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            self.fetch_blob(&client, reference, blob, progress).await?;
        }
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
        client: &oci_client::Client,
        reference: &Reference,
        blob: &Descriptor,
        progress: &ProgressFn,
    ) -> Result<(), Error> {
        let digest = blob.digest.clone();
        if self.blob_path(&digest).exists() {
            progress(Progress::Reused { digest, what: "already in the store".to_owned() });
            return Ok(());
        }
        if blob.size > self.limits.bytes {
            return Err(Error::TooLarge { digest, limit_bytes: self.limits.bytes });
        }
        let descriptor = OciDescriptor {
            digest: digest.to_string(),
            size: i64::try_from(blob.size).unwrap_or(i64::MAX),
            media_type: blob.media_type.clone(),
            ..OciDescriptor::default()
        };
        let mut sink = BlobSink {
            writer: self.blob_writer()?,
            blob: blob.clone(),
            progress: progress.clone(),
        };
        client
            .pull_blob(reference.oci(), &descriptor, &mut sink)
            .await
            .map_err(|e| explain(reference, e))?;
        sink.writer.finish(&digest)
    }

    fn client(&self, reference: &Reference) -> oci_client::Client {
        // The HTTP library takes the process-wide provider; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol =
            if reference.is_insecure() { ClientProtocol::Http } else { ClientProtocol::Https };
        oci_client::Client::new(ClientConfig {
            protocol,
            connect_timeout: Some(self.registry.connect_timeout),
            read_timeout: Some(self.registry.read_timeout),
            user_agent: concat!("rouse/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        })
    }

    /// What `docker login` saved for this registry, where it saved it in plain.
    fn login(&self, reference: &Reference) -> RegistryAuth {
        let Some(dir) = &self.registry.docker_config else { return RegistryAuth::Anonymous };
        let Ok(bytes) = std::fs::read(dir.join("config.json")) else {
            return RegistryAuth::Anonymous;
        };
        saved_login(&bytes, reference.registry())
            .map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password))
    }
}

/// The login for `registry` in Docker's `config.json`.
fn saved_login(config: &[u8], registry: &str) -> Option<(String, String)> {
    let config: serde_json::Value = serde_json::from_slice(config).ok()?;
    let auths = config.get("auths")?;
    // Docker Hub's logins stand under the address that it had in 2013.
    let key = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    let encoded = auths.get(key)?.get("auth")?.as_str()?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// `what` is fetched for `reference`, the name that errors show.
async fn fetch_manifest(
    client: &oci_client::Client,
    auth: &RegistryAuth,
    reference: &Reference,
    what: &Reference,
) -> Result<(bytes::Bytes, Digest), Error> {
    let (bytes, _) = client
        .pull_manifest_raw(what.oci(), auth, ACCEPTED)
        .await
        .map_err(|e| explain(reference, e))?;
    let digest = Digest::of(&bytes);
    match what.digest() {
        Some(expected) if *expected != digest => Err(Error::Registry {
            reference: reference.written().to_owned(),
            registry: reference.registry().to_owned(),
            reason: format!("it sent a manifest with digest {digest} for {expected}"),
        }),
        Some(_) | None => Ok((bytes, digest)),
    }
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

/// Which of our errors a registry's answer is.
fn explain(reference: &Reference, error: OciDistributionError) -> Error {
    let (written, registry) = (reference.written().to_owned(), reference.registry().to_owned());
    let not_found = || Error::NotFound { reference: written.clone(), registry: registry.clone() };
    let unauthorized =
        || Error::Unauthorized { reference: written.clone(), registry: registry.clone() };
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => not_found(),
        OciDistributionError::ServerError { code: 404, .. } => not_found(),
        OciDistributionError::ServerError { code: 401 | 403, .. } => unauthorized(),
        OciDistributionError::UnauthorizedError { .. } => unauthorized(),
        OciDistributionError::AuthenticationFailure(_) => unauthorized(),
        OciDistributionError::RegistryError { envelope, .. } => {
            let says =
                |codes: &[OciErrorCode]| envelope.errors.iter().any(|e| codes.contains(&e.code));
            if says(&[
                OciErrorCode::ManifestUnknown,
                OciErrorCode::NameUnknown,
                OciErrorCode::NotFound,
            ]) {
                return not_found();
            }
            if says(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                return unauthorized();
            }
            Error::Registry { reference: written, registry, reason: envelope.to_string() }
        }
        OciDistributionError::RequestError(error) => {
            Error::Unreachable { reference: written, registry, reason: innermost(&error) }
        }
        other => Error::Registry { reference: written, registry, reason: other.to_string() },
    }
}

/// The cause at the bottom is the one that people can act on ("connection refused").
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Gives what arrives to the store and tells how far it is. Writing to a local file from the
/// async side is deliberate: a chunk is small and the page cache takes it.
struct BlobSink {
    writer: BlobWriter,
    blob: Descriptor,
    progress: ProgressFn,
}

impl AsyncWrite for BlobSink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.writer.written().saturating_add(bytes.len() as u64) > self.blob.size {
            return Poll::Ready(Err(std::io::Error::other(
                "the registry sent more than the manifest announced",
            )));
        }
        let written = self.writer.write(bytes);
        let (digest, done, total) =
            (self.blob.digest.clone(), self.writer.written(), self.blob.size);
        (self.progress)(Progress::Layer { digest, done, total });
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

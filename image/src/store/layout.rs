//! The local store: an OCI image layout, and each image unpacked.
//!
//! ```text
//! oci-layout  index.json  lock          names -> manifest digests
//! blobs/sha256/HEX                      manifests, configurations, layers
//! rootfs/HEX/                           the image with manifest HEX, unpacked; never changed
//! rootfs/HEX.read-only                  marks an image that file modes protect (`protect`)
//! reuse/KEY                             build layers, by the digest of their inputs
//! layers/HEX/                           those layers, unpacked once; their images link to them
//! tmp/                                  files being written; locked by their writer (`temp`)
//! ```
//!
//! Invariant: files appear by rename, complete; a manifest after its blobs.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::formats::bound::DOCUMENT_BYTES_MAX;
use crate::formats::config::{Descriptor, Image, ImageConfig, Index, Manifest, Platform};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::logins::Logins;

use super::index::{self, Entry, Origin};
use super::settings::{Limits, RegistryOptions};
use super::temp::{TempFolder, remove_leftovers};
use crate::formats::reference::{Reference, familiar};

/// The store in one folder. Cheap to clone; holds no open file.
#[derive(Clone, Debug)]
pub struct Store {
    dir: Arc<Path>,
    pub(crate) registry: Arc<RegistryOptions>,
    pub(crate) limits: Limits,
}

/// One named image, as `rouse images` lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The canonical reference, `docker.io/library/digits:v1`.
    pub reference: String,
    pub digest: Digest,
    pub origin: Origin,
    /// When the name was last given, RFC 3339.
    pub created: String,
    /// Bytes of its layers; 0 if the image is damaged.
    pub size: u64,
}

impl Listed {
    /// The name as people write it: without `docker.io/library/`.
    pub fn familiar(&self) -> &str {
        familiar(&self.reference)
    }
}

impl Store {
    /// Opens the store in `dir`, or makes it. Removes temporary files of killed processes.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(dir, RegistryOptions::default())
    }

    /// As [`Store::open`], with other timeouts for registries.
    pub fn open_with(dir: impl AsRef<Path>, registry: RegistryOptions) -> Result<Self, Error> {
        let dir = dir.as_ref();
        for folder in ["blobs/sha256", "rootfs", "layers", "reuse", "tmp"] {
            let path = dir.join(folder);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        // Absolute, because paths of unpacked images are handed to processes that run elsewhere.
        let dir = fs::canonicalize(dir).map_err(Error::io("open", dir))?;
        remove_leftovers(&dir.join("tmp"));
        let layout = dir.join("oci-layout");
        if !layout.exists() {
            index::replace(&dir, &layout, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(Self { dir: dir.into(), registry: Arc::new(registry), limits: Limits::default() })
    }

    /// This store, which tries `logins` first where a registry wants one.
    #[must_use]
    pub fn with_logins(&self, logins: Logins) -> Self {
        let registry = RegistryOptions { logins, ..RegistryOptions::clone(&self.registry) };
        Self { registry: Arc::new(registry), ..self.clone() }
    }

    /// This store, which also gives registries this long to resolve a name.
    #[must_use]
    pub fn asking(&self, logins: Logins, resolve_timeout: Duration) -> Self {
        let registry =
            RegistryOptions { logins, resolve_timeout, ..RegistryOptions::clone(&self.registry) };
        Self { registry: Arc::new(registry), ..self.clone() }
    }

    /// The folder of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The image of a reference in this store; asks no registry.
    pub fn find(&self, reference: &Reference) -> Result<Option<Image>, Error> {
        match self.find_entry(reference)? {
            Some((digest, _)) => self.image(&digest).map(Some),
            None => Ok(None),
        }
    }

    /// The digest and origin of a reference in this store.
    pub(crate) fn find_entry(
        &self,
        reference: &Reference,
    ) -> Result<Option<(Digest, Origin)>, Error> {
        if let Some(digest) = reference.digest() {
            let here = self.blob_path(digest).exists();
            return Ok(here.then(|| (digest.clone(), Origin::Pulled)));
        }
        let name = reference.canonical();
        let entries = index::read(&self.dir)?;
        Ok(entries
            .into_iter()
            .find(|entry| entry.name == name)
            .map(|entry| (entry.digest, entry.origin)))
    }

    /// The image with this digest: of its manifest, or of an index that has one for this platform.
    pub fn image(&self, digest: &Digest) -> Result<Image, Error> {
        let manifest_digest = self.manifest_digest(digest)?;
        let manifest: Manifest = self.document(&manifest_digest)?;
        let config: ImageConfig = self.document(&manifest.config.digest)?;
        Ok(Image::new(manifest_digest, &manifest, config))
    }

    pub(super) fn manifest_digest(&self, digest: &Digest) -> Result<Digest, Error> {
        let index: Index = match self.document(digest) {
            Ok(index) => index,
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Err(Error::NotInStore { reference: digest.to_string() });
            }
            Err(error) => return Err(error),
        };
        if index.manifests.is_empty() {
            return Ok(digest.clone());
        }
        Ok(select_platform(&index, digest.as_str())?.digest.clone())
    }

    /// The folder into which the image is unpacked. Never unpacks: that happens at build and pull.
    pub fn rootfs(&self, digest: &Digest) -> Result<PathBuf, Error> {
        let digest = self.manifest_digest(digest)?;
        let path = self.rootfs_path(&digest);
        if path.is_dir() { Ok(path) } else { Err(Error::NotUnpacked { digest }) }
    }

    pub(crate) fn rootfs_path(&self, manifest: &Digest) -> PathBuf {
        self.dir.join("rootfs").join(manifest.hex())
    }

    /// Where a layer that is used again is unpacked.
    pub(crate) fn shared_path(&self, layer: &Digest) -> PathBuf {
        self.dir.join("layers").join(layer.hex())
    }

    /// Every named image, by name.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut listed: Vec<Listed> = index::read(&self.dir)?
            .into_iter()
            .map(|entry| Listed {
                size: self.image(&entry.digest).map_or(0, |image| image.size()),
                reference: entry.name,
                digest: entry.digest,
                origin: entry.origin,
                created: entry.created,
            })
            .collect();
        listed.sort_by(|a, b| a.reference.cmp(&b.reference));
        Ok(listed)
    }

    /// Points a reference at a digest.
    pub(crate) fn name(
        &self,
        reference: &Reference,
        digest: &Digest,
        origin: Origin,
    ) -> Result<(), Error> {
        let entry = Entry {
            name: reference.canonical(),
            digest: digest.clone(),
            origin,
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        };
        index::change(&self.dir, |entries| {
            entries.retain(|other| other.name != entry.name);
            entries.push(entry);
        })
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(Error::io("open", &path))
    }

    /// A manifest or configuration, checked against its digest.
    pub(crate) fn document<T: serde::de::DeserializeOwned>(
        &self,
        digest: &Digest,
    ) -> Result<T, Error> {
        let path = self.blob_path(digest);
        let mut bytes = Vec::new();
        self.open_blob(digest)?
            .take(DOCUMENT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", &path))?;
        if Digest::of(&bytes) != *digest {
            return Err(Error::damaged(&path, "its content does not match its digest"));
        }
        serde_json::from_slice(&bytes).map_err(|e| Error::damaged(&path, e))
    }

    /// Puts bytes into the store.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let path = self.blob_path(&digest);
        if path.exists() {
            self.touch(&digest);
        } else {
            index::replace(&self.dir, &path, bytes)?;
        }
        Ok(digest)
    }

    /// Puts a document into the store and gives the descriptor that points at it.
    pub(crate) fn put_document(
        &self,
        media_type: &str,
        value: &impl serde::Serialize,
    ) -> Result<Descriptor, Error> {
        let bytes = serde_json::to_vec(value).expect("documents of strings and numbers are JSON");
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest: self.put(&bytes)?,
            size: bytes.len() as u64,
            platform: None,
            annotations: Default::default(),
        })
    }

    /// Marks a blob as used now, so that no sweep takes it.
    pub(crate) fn touch(&self, digest: &Digest) {
        if let Ok(file) = self.open_blob(digest) {
            // Another user's file keeps its time.
            let _ = file.set_modified(SystemTime::now());
        }
    }

    /// A folder under `tmp`, removed when dropped.
    pub(crate) fn temp_dir(&self) -> Result<TempFolder, Error> {
        let tmp = self.dir.join("tmp");
        TempFolder::new_in(&tmp).map_err(Error::io("create a folder in", &tmp))
    }
}

/// The entry of an index for Linux on this machine's processor.
pub(crate) fn select_platform<'a>(
    index: &'a Index,
    reference: &str,
) -> Result<&'a Descriptor, Error> {
    let host = Platform::host();
    let fits = |d: &&Descriptor| {
        d.platform.as_ref().is_some_and(|p| p.os == host.os && p.architecture == host.architecture)
    };
    index.manifests.iter().find(fits).ok_or_else(|| {
        // Attestations are listed as platform unknown/unknown and are no offer.
        let offered: Vec<String> = index
            .manifests
            .iter()
            .filter_map(|d| d.platform.as_ref())
            .filter(|p| p.os != "unknown")
            .map(Platform::text)
            .collect();
        Error::NoPlatform {
            reference: reference.to_owned(),
            wanted: host.text(),
            offered: if offered.is_empty() { "none".to_owned() } else { offered.join(", ") },
        }
    })
}

//! `index.json`: the manifest, origin and time of each reference.
//!
//! Readers read the file whole and never wait; a writer holds an advisory lock on `lock` while it
//! reads, changes and replaces it, so that several processes may write without losing an entry.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::temp;
use crate::formats::config::{Descriptor, INDEX, Index, MANIFEST};
use crate::formats::digest::Digest;
use crate::formats::error::Error;

/// The image specification's own annotation for a name.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CREATED: &str = "org.opencontainers.image.created";
const ORIGIN: &str = "dev.rouse.origin";

/// How an image came into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made here: its name means this image and no registry is asked.
    Built,
    /// From a registry, which is asked again when the name is resolved.
    Pulled,
    /// From an archive: its name means this image and no registry is asked.
    Imported,
    /// From the local Docker engine, which is asked again when the name is resolved.
    Engine,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Built, Self::Pulled, Self::Imported, Self::Engine];

    /// As the index and `-o json` have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Built => "build",
            Self::Pulled => "pull",
            Self::Imported => "import",
            Self::Engine => "docker",
        }
    }

    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|origin| origin.word() == word).unwrap_or(Self::Pulled)
    }
}

/// One name in the store.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The canonical reference.
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) origin: Origin,
    /// RFC 3339.
    pub(crate) created: String,
}

/// All names, in the order of the file.
pub(crate) fn read(dir: &Path) -> Result<Vec<Entry>, Error> {
    let path = dir.join("index.json");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let index: Index = serde_json::from_slice(&bytes).map_err(|e| Error::damaged(&path, e))?;
    Ok(index.manifests.into_iter().filter_map(entry).collect())
}

fn entry(descriptor: Descriptor) -> Option<Entry> {
    let mut annotations = descriptor.annotations;
    Some(Entry {
        name: annotations.remove(REF_NAME)?,
        digest: descriptor.digest,
        origin: Origin::of(annotations.get(ORIGIN).map_or("", String::as_str)),
        created: annotations.remove(CREATED).unwrap_or_default(),
    })
}

fn descriptor(dir: &Path, entry: &Entry) -> Descriptor {
    let blob = dir.join("blobs/sha256").join(entry.digest.hex());
    let bytes = fs::read(blob).unwrap_or_default();
    let says_index = serde_json::from_slice::<Index>(&bytes).is_ok_and(|i| !i.manifests.is_empty());
    Descriptor {
        media_type: if says_index { INDEX } else { MANIFEST }.to_owned(),
        digest: entry.digest.clone(),
        size: bytes.len() as u64,
        platform: None,
        annotations: BTreeMap::from([
            (REF_NAME.to_owned(), entry.name.clone()),
            (CREATED.to_owned(), entry.created.clone()),
            (ORIGIN.to_owned(), entry.origin.word().to_owned()),
        ]),
    }
}

/// Reads, changes and replaces the index under the lock. Blocks while another process does so,
/// which takes milliseconds.
pub(crate) fn change<R>(dir: &Path, f: impl FnOnce(&mut Vec<Entry>) -> R) -> Result<R, Error> {
    let lock_path = dir.join("lock");
    let lock = File::create(&lock_path).map_err(Error::io("open", &lock_path))?;
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|e| Error::io("lock", &lock_path)(e.into()))?;
    let mut entries = read(dir)?;
    let result = f(&mut entries);
    let index = Index {
        manifests: entries.iter().map(|entry| descriptor(dir, entry)).collect(),
        ..Index::default()
    };
    let bytes = serde_json::to_vec_pretty(&index).expect("an index of strings and numbers is JSON");
    replace(dir, &dir.join("index.json"), &bytes)?;
    Ok(result)
}

/// Writes a file so that readers see the old or the new one, and a crash leaves either.
pub(crate) fn replace(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = temp::file_in(&dir.join("tmp")).map_err(Error::io("create a file in", dir))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", path))?;
    file.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    Ok(())
}

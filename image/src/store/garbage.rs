//! Removal of images that nothing refers to: the rule that chooses them, and the sweep of their files.
//!
//! Invariant: an image that was made, pulled or named again a moment ago is never removed, because a
//! Revision of it may be about to be made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::index::{self, Origin};
use super::layout::Store;
use super::protect;
use super::temp::TempFolder;
use crate::formats::bound::DOCUMENT_BYTES_MAX;
use crate::formats::config::{Index, Manifest};
use crate::formats::digest::Digest;
use crate::formats::error::Error;
use crate::formats::reference::Reference;

/// So long that nothing but the files of the image itself goes with it.
const LONG: Duration = Duration::MAX;

/// An image in the store, with all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Of its manifest.
    pub digest: Digest,
    /// Canonical, sorted; none of an image whose name was given to a newer one.
    pub names: Vec<String>,
    /// Of its first name.
    pub origin: Option<Origin>,
    /// When it was last made, pulled or named.
    pub made: Timestamp,
    /// Bytes of its layers; 0 if it is damaged.
    pub size: u64,
}

/// Which of the images that nothing refers to may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Least age of an image without a name.
    pub unnamed_age: Duration,
    /// Least age of an image with a name.
    pub named_age: Duration,
    /// Images with names go, the oldest first, until so many bytes of layers are gone.
    pub excess: u64,
}

/// The images that a rule lets go; `used` are those that something refers to. Pure.
pub fn unneeded<'a>(
    images: &'a [Held],
    used: &BTreeSet<Digest>,
    rule: Rule,
    now: Timestamp,
) -> Vec<&'a Held> {
    let age = |image: &Held| now.duration_since(image.made).unsigned_abs();
    let in_past = |image: &Held| image.made <= now;
    let unused = || images.iter().filter(|i| !used.contains(&i.digest) && in_past(i));
    let mut going: Vec<&Held> =
        unused().filter(|i| i.names.is_empty() && age(i) >= rule.unnamed_age).collect();
    let mut named: Vec<&Held> =
        unused().filter(|i| !i.names.is_empty() && age(i) >= rule.named_age).collect();
    named.sort_by_key(|image| image.made);
    let mut gone = going.iter().fold(0, |sum: u64, image| sum.saturating_add(image.size));
    for image in named {
        if gone >= rule.excess {
            break;
        }
        gone = gone.saturating_add(image.size);
        going.push(image);
    }
    going
}

/// The age up to which files that no image uses are kept.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// Blobs: they may belong to a pull that is under way.
    pub blobs: Duration,
    /// Installed dependencies, which the next build may use again.
    pub dependencies: Duration,
}

impl Store {
    /// Every image, those without a name too, the newest first.
    pub fn held(&self) -> Result<Vec<Held>, Error> {
        let mut images: BTreeMap<Digest, Held> = BTreeMap::new();
        let mut entries = index::read(self.dir())?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let digest = self.manifest_digest(&entry.digest).unwrap_or(entry.digest);
            let named: Timestamp = entry.created.parse().unwrap_or(Timestamp::UNIX_EPOCH);
            let image = images.entry(digest.clone()).or_insert_with(|| self.describe(digest));
            image.made = image.made.max(named);
            image.origin.get_or_insert(entry.origin);
            image.names.push(entry.name);
        }
        let unpacked = fs::read_dir(self.dir().join("rootfs")).into_iter().flatten().flatten();
        for name in unpacked.filter_map(|entry| entry.file_name().into_string().ok()) {
            let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else { continue };
            images.entry(digest.clone()).or_insert_with(|| self.describe(digest));
        }
        let mut images: Vec<Held> = images.into_values().collect();
        images.sort_by(|a, b| b.made.cmp(&a.made).then_with(|| a.names.cmp(&b.names)));
        Ok(images)
    }

    fn describe(&self, digest: Digest) -> Held {
        let made = modified(&self.blob_path(&digest))
            .and_then(|at| Timestamp::try_from(at).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let size = self.image(&digest).map_or(0, |image| image.size());
        Held { digest, names: Vec::new(), origin: None, made, size }
    }

    /// The digests of the images that references mean, as `NAME@DIGEST` or by a name of this store;
    /// others are left out.
    pub fn meant(&self, references: &[String]) -> Result<BTreeSet<Digest>, Error> {
        Ok(self.meanings(references)?.into_iter().flatten().collect())
    }

    /// As [`Self::meant`], for each reference.
    pub fn meanings(&self, references: &[String]) -> Result<Vec<Option<Digest>>, Error> {
        let names = index::read(self.dir())?;
        let of = |reference: &String| {
            let digest = match reference.split_once('@') {
                Some((_, digest)) => digest.parse().ok()?,
                None => {
                    let parsed: Reference = reference.parse().ok()?;
                    let name = parsed.canonical();
                    names.iter().find(|entry| entry.name == name)?.digest.clone()
                }
            };
            Some(self.manifest_digest(&digest).unwrap_or(digest))
        };
        Ok(references.iter().map(of).collect())
    }

    /// The tags that a Docker engine has images of this store under.
    pub fn docker_tags<'a>(&self, images: impl IntoIterator<Item = &'a Digest>) -> Vec<String> {
        images.into_iter().filter_map(|d| Some(self.image(d).ok()?.docker_tag())).collect()
    }

    /// Bytes on disk that the removal of images would free.
    pub fn frees(&self, going: &[Digest]) -> Result<u64, Error> {
        let held = self.held()?;
        let staying = held.iter().map(|image| &image.digest).filter(|d| !going.contains(d));
        let kept: BTreeSet<Digest> = staying.flat_map(|digest| self.reachable(digest)).collect();
        let blobs: BTreeSet<Digest> = going.iter().flat_map(|d| self.reachable(d)).collect();
        let blobs = blobs.difference(&kept).filter_map(|d| fs::metadata(self.blob_path(d)).ok());
        let blobs = blobs.fold(0, |sum: u64, found| sum.saturating_add(found.len()));
        let folders = going.iter().map(|digest| own_bytes(&self.rootfs_path(digest)));
        Ok(folders.fold(blobs, u64::saturating_add))
    }

    /// Forgets a name. The last name of an image that is not `used` takes its files with it, except
    /// those that another image or the next build uses.
    pub fn remove(&self, reference: &Reference, used: &BTreeSet<Digest>) -> Result<Digest, Error> {
        let not_here = || Error::NotInStore { reference: reference.written().to_owned() };
        let (digest, _) = self.find_entry(reference)?.ok_or_else(not_here)?;
        let manifest = self.manifest_digest(&digest).unwrap_or_else(|_damaged| digest.clone());
        let name = reference.canonical();
        let has_others = index::change(self.dir(), |entries| {
            match reference.digest() {
                Some(digest) => entries.retain(|entry| entry.digest != *digest),
                None => entries.retain(|entry| entry.name != name),
            }
            entries.iter().any(|entry| entry.digest == digest)
        })?;
        if !has_others && !used.contains(&manifest) {
            let grace = Grace { blobs: LONG, dependencies: LONG };
            self.discard(&[manifest], grace, SystemTime::now())?;
        }
        Ok(digest)
    }

    /// Removes images with all their names, and files that no image uses.
    pub fn discard(&self, going: &[Digest], grace: Grace, now: SystemTime) -> Result<(), Error> {
        let graveyard = self.temp_dir()?;
        let theirs: BTreeSet<Digest> = going.iter().flat_map(|d| self.reachable(d)).collect();
        if going.is_empty() {
            return self.sweep(&theirs, grace, now);
        }
        // Under the lock that naming an image takes: no name is given to an image that goes.
        index::change(self.dir(), |entries| {
            for digest in going {
                entries.retain(|entry| {
                    self.manifest_digest(&entry.digest).as_ref().unwrap_or(&entry.digest) != digest
                });
                self.bury(digest, &graveyard);
            }
        })?;
        self.sweep(&theirs, grace, now)
    }

    /// Takes an image away: its manifest first, so that no reader finds one whose parts are missing. Its
    /// files are moved to a folder that is deleted later. Those of a read-only one cannot be moved, and are
    /// deleted here.
    fn bury(&self, digest: &Digest, graveyard: &TempFolder) {
        // Absent files are as good as removed ones.
        let _ = fs::remove_file(self.blob_path(digest));
        let rootfs = self.rootfs_path(digest);
        if super::is_read_only(&rootfs) != Some(false) {
            protect::remove(&rootfs);
        }
        let _ = fs::rename(&rootfs, graveyard.path().join(digest.hex()));
    }

    /// Removes blobs and layers that no image uses; those that are `theirs`, of images that have just
    /// gone, at any age.
    fn sweep(&self, theirs: &BTreeSet<Digest>, grace: Grace, now: SystemTime) -> Result<(), Error> {
        let is_old = |path: &Path, grace: Duration| {
            modified(path).is_some_and(|at| now.duration_since(at).is_ok_and(|age| age >= grace))
        };
        let mut kept: BTreeSet<Digest> = BTreeSet::new();
        for entry in index::read(self.dir())? {
            kept.extend(self.reachable(&entry.digest));
        }
        for image in self.held()? {
            kept.extend(self.reachable(&image.digest));
        }
        for (path, made) in self.reusable() {
            if !kept.contains(&made.digest) && is_old(&path, grace.dependencies) {
                let _ = fs::remove_file(&path);
            } else {
                kept.insert(made.digest);
            }
        }
        let blobs = self.dir().join("blobs/sha256");
        for entry in fs::read_dir(&blobs).map_err(Error::io("read", &blobs))?.flatten() {
            let Some(digest) = digest_of(&entry.path()) else { continue };
            let may_go = theirs.contains(&digest) || is_old(&entry.path(), grace.blobs);
            if kept.contains(&digest) || !may_go || self.leads_to(&entry.path(), &kept) {
                continue;
            }
            let _ = fs::remove_file(entry.path());
        }
        for entry in fs::read_dir(self.dir().join("layers")).into_iter().flatten().flatten() {
            // A build unpacks a layer after its blob is in the store.
            let blob = digest_of(&entry.path()).map(|digest| self.blob_path(&digest));
            if blob.is_some_and(|blob| !blob.exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Whether a blob is an index of an image that stays: a Revision may be pinned to it.
    fn leads_to(&self, blob: &Path, kept: &BTreeSet<Digest>) -> bool {
        let small = fs::metadata(blob).is_ok_and(|found| found.len() <= DOCUMENT_BYTES_MAX);
        let bytes = if small { fs::read(blob).unwrap_or_default() } else { Vec::new() };
        let index: Option<Index> = serde_json::from_slice(&bytes).ok();
        index.is_some_and(|index| index.manifests.iter().any(|m| kept.contains(&m.digest)))
    }

    /// A digest and all that it references, top first, without unreadable documents.
    fn reachable(&self, digest: &Digest) -> Vec<Digest> {
        let mut all = vec![digest.clone()];
        let Ok(manifest_digest) = self.manifest_digest(digest) else { return all };
        if manifest_digest != *digest {
            all.push(manifest_digest.clone());
        }
        if let Ok(manifest) = self.document::<Manifest>(&manifest_digest) {
            all.push(manifest.config.digest);
            all.extend(manifest.layers.into_iter().map(|layer| layer.digest));
        }
        all
    }
}

fn digest_of(path: &Path) -> Option<Digest> {
    format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Bytes of the files in a folder that are linked nowhere else.
fn own_bytes(dir: &Path) -> u64 {
    let mut sum = 0_u64;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(found) = entry.path().symlink_metadata() else { continue };
        let bytes = match found.is_dir() {
            true => own_bytes(&entry.path()),
            false if found.nlink() == 1 => found.len(),
            false => 0,
        };
        sum = sum.saturating_add(bytes);
    }
    sum
}

#[cfg(test)]
mod tests;

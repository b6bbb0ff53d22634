//! Build layers that are reused: found by the digest of their inputs, and unpacked once for all
//! images, which link to their files.
//!
//! Invariant: such a layer only adds files; it has no whiteouts, because a build never deletes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::index;
use super::layout::Store;
use crate::formats::digest::Digest;
use crate::formats::error::Error;

/// A layer made earlier; the content of `reuse/KEY`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Names of the programs in it.
    #[serde(default)]
    pub(crate) programs: Vec<String>,
}

impl Store {
    /// The layer made from the inputs with digest `key`, if the store still has it.
    pub(crate) fn made_from(&self, key: &Digest) -> Option<Made> {
        let path = self.reuse_path(key);
        let made = read(&path)?;
        if let Ok(file) = File::open(&path) {
            // Another user's file keeps its time, and a sweep may then take the layer earlier.
            let _ = file.set_modified(SystemTime::now());
        }
        self.blob_path(&made.digest).exists().then_some(made)
    }

    /// Every layer that a build may use again, and the file that records it; its time is that of the
    /// last use.
    pub(super) fn reusable(&self) -> Vec<(PathBuf, Made)> {
        let entries = fs::read_dir(self.dir().join("reuse")).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some((entry.path(), read(&entry.path())?))).collect()
    }

    /// Records a layer under the digest of its inputs.
    pub(crate) fn remember(&self, key: &Digest, made: &Made) -> Result<(), Error> {
        let bytes = serde_json::to_vec(made).expect("a digest and a number are JSON");
        index::replace(self.dir(), &self.reuse_path(key), &bytes)
    }

    /// Whether a build may use this layer again.
    pub(crate) fn is_reusable(&self, layer: &Digest) -> bool {
        self.reusable().iter().any(|(_, made)| made.digest == *layer)
    }

    /// What the last build noted of this machine's Python.
    pub(crate) fn kept_python(&self) -> Option<Vec<u8>> {
        fs::read(self.python_path()).ok()
    }

    pub(crate) fn keep_python(&self, note: &[u8]) -> Result<(), Error> {
        index::replace(self.dir(), &self.python_path(), note)
    }

    fn python_path(&self) -> PathBuf {
        self.dir().join("python.json")
    }

    fn reuse_path(&self, key: &Digest) -> PathBuf {
        self.dir().join("reuse").join(key.hex())
    }
}

fn read(path: &Path) -> Option<Made> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Hard-links all files of `from` into `to`. Fails where the file system has no hard links; files
/// linked by then may stay, because unpacking replaces them.
pub(crate) fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, source, target) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            if !target.is_dir() {
                fs::create_dir(&target)?;
                fs::set_permissions(&target, entry.metadata()?.permissions())?;
            }
            link_tree(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::hard_link(&source, &target)?;
        }
    }
    Ok(())
}

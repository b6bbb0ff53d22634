//! Temporary files and folders in `tmp`, and the removal of those that killed processes left.
//!
//! The writer holds an advisory lock, which ends with its process. So an unlocked one was left by a
//! killed process, also where several processes, or containers that cannot see each other's process
//! ids, share the store.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::{NamedTempFile, TempDir};

/// A folder that is removed when dropped.
#[derive(Debug)]
pub(crate) struct TempFolder {
    dir: TempDir,
    _lock: File,
}

impl TempFolder {
    /// A new folder in `tmp`.
    pub(super) fn new_in(tmp: &Path) -> io::Result<Self> {
        loop {
            let dir = TempDir::new_in(tmp)?;
            match File::open(dir.path()) {
                Ok(folder) if lock(&folder, dir.path())? => return Ok(Self { dir, _lock: folder }),
                // Another process removed it as a leftover.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// A new file in `tmp`, removed when dropped unless it is persisted.
pub(super) fn file_in(tmp: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = NamedTempFile::new_in(tmp)?;
        if lock(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// Locks a file or folder just made at `path`, until it is closed; `false` if another process removed
/// it as a leftover before.
fn lock(file: &File, path: &Path) -> io::Result<bool> {
    flock(file, FlockOperation::LockExclusive)?;
    match fs::symlink_metadata(path) {
        Ok(found) => {
            let own = file.metadata()?;
            Ok((found.dev(), found.ino()) == (own.dev(), own.ino()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes leftovers of killed processes from `tmp`. Those that cannot be removed stay.
pub(super) fn remove_leftovers(tmp: &Path) {
    for entry in fs::read_dir(tmp).into_iter().flatten().flatten() {
        let path = entry.path();
        // Another user's, or removed meanwhile.
        let Ok(file) = File::open(&path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let is_dir = file.metadata().is_ok_and(|found| found.is_dir());
        let gone = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = gone
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a leftover temporary file cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_removed_and_files_being_written_stay() {
        let tmp = tempfile::tempdir().unwrap();
        let (folder, file) =
            (TempFolder::new_in(tmp.path()).unwrap(), file_in(tmp.path()).unwrap());
        fs::create_dir(folder.path().join("rootfs")).unwrap();
        // As a kill leaves them: unlocked.
        fs::create_dir_all(tmp.path().join(".tmpA/rootfs/app")).unwrap();
        fs::write(tmp.path().join(".tmpA/rootfs/app/f"), "1").unwrap();
        fs::write(tmp.path().join(".tmpB"), "half").unwrap();
        remove_leftovers(tmp.path());
        assert!(folder.path().join("rootfs").is_dir());
        assert!(file.path().is_file());
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 2);
        let kept = file.persist(tmp.path().join("named")).unwrap();
        drop((folder, kept));
        remove_leftovers(tmp.path());
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0, "unlocked when closed");
    }

    #[test]
    fn a_file_removed_as_a_leftover_before_its_lock_is_not_used() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        let file = File::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!lock(&file, &path).unwrap());
        let other = File::create(&path).unwrap();
        assert!(!lock(&file, &path).unwrap(), "another file of that name");
        assert!(lock(&other, &path).unwrap());
    }
}

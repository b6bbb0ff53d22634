//! Files and folders that are being written, below `tmp`, and the removal of those that nobody will finish.
//!
//! Whoever writes one holds an advisory lock on it, which ends with the process, however that ends. So
//! what is not locked was left by a process that was killed, also where several processes, or
//! containers that cannot see each other's process ids, share the store.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tempfile::{NamedTempFile, TempDir};

/// A folder that goes when dropped.
#[derive(Debug)]
pub(crate) struct TempFolder {
    dir: TempDir,
    _lock: File,
}

impl TempFolder {
    /// A new one in `tmp`.
    pub(super) fn new_in(tmp: &Path) -> io::Result<Self> {
        loop {
            let dir = TempDir::new_in(tmp)?;
            match File::open(dir.path()) {
                Ok(folder) if lock(&folder, dir.path())? => return Ok(Self { dir, _lock: folder }),
                // Taken for a leftover.
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

/// A new file in `tmp` that goes when dropped, unless it is given a name.
pub(super) fn file_in(tmp: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = NamedTempFile::new_in(tmp)?;
        if lock(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// Locks what was just made at `path`, until it is closed. Not if another process took it for a leftover
/// before that, and removed it.
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

/// Removes what killed processes left in `tmp`. What cannot be removed stays.
pub(super) fn remove_leftovers(tmp: &Path) {
    for entry in fs::read_dir(tmp).into_iter().flatten().flatten() {
        let path = entry.path();
        // Another's, or gone.
        let Ok(file) = File::open(&path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let is_dir = file.metadata().is_ok_and(|found| found.is_dir());
        let gone = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = gone
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "what a pull left cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_and_what_is_being_written_stays() {
        let tmp = tempfile::tempdir().unwrap();
        let (folder, file) =
            (TempFolder::new_in(tmp.path()).unwrap(), file_in(tmp.path()).unwrap());
        fs::create_dir(folder.path().join("rootfs")).unwrap();
        // As a kill leaves them: there, and locked by nobody.
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
    fn what_was_taken_for_a_leftover_before_it_was_locked_is_made_anew() {
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

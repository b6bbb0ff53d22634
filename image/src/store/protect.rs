//! Read-only unpacked images, for hosts on which containers cannot have an overlay of them.
//!
//! A mark file beside the folder says that modes were changed. It is written before the first
//! change, so that the next call finishes or undoes an interrupted change.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::formats::error::Error;

const WRITE: u32 = 0o222;
const OWNER_WRITE: u32 = 0o200;
const BEGUN: &str = "begun";
const DONE: &str = "done";

/// Whether an unpacked image is read-only; `None` if a change of its modes was interrupted.
pub fn is_read_only(rootfs: &Path) -> Option<bool> {
    match fs::read_to_string(mark(rootfs)) {
        Ok(text) => (text == DONE).then_some(true),
        Err(error) => (error.kind() == ErrorKind::NotFound).then_some(false),
    }
}

/// Takes the right to write from all files and folders of an unpacked image, or gives it back to
/// their owner. Blocks.
pub fn set_read_only(rootfs: &Path, read_only: bool) -> Result<(), Error> {
    let mark = mark(rootfs);
    let failed = || Error::io("change the modes of", rootfs);
    fs::write(&mark, BEGUN).map_err(Error::io("write", &mark))?;
    if read_only {
        change(rootfs, &|mode| mode & !WRITE).map_err(failed())?;
        fs::write(&mark, DONE).map_err(Error::io("write", &mark))
    } else {
        change(rootfs, &|mode| mode | OWNER_WRITE).map_err(failed())?;
        fs::remove_file(&mark).map_err(Error::io("remove", &mark))
    }
}

/// Removes an unpacked image.
pub(super) fn remove(rootfs: &Path) {
    if is_read_only(rootfs) != Some(false) {
        // Files whose modes cannot be changed are left.
        let _ = set_read_only(rootfs, false);
    }
    let _ = fs::remove_dir_all(rootfs);
}

fn mark(rootfs: &Path) -> PathBuf {
    let mut name = OsString::from(rootfs);
    name.push(".read-only");
    name.into()
}

fn change(path: &Path, mode: &dyn Fn(u32) -> u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(());
    }
    let old = found.permissions().mode() & 0o7777;
    if mode(old) != old {
        fs::set_permissions(path, Permissions::from_mode(mode(old)))?;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            change(&entry?.path(), mode)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_image_becomes_read_only_and_writable_again_and_an_interrupted_change_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("image");
        fs::create_dir_all(root.join("app")).unwrap();
        fs::write(root.join("app/f"), "1").unwrap();
        fs::write(dir.path().join("outside"), "1").unwrap();
        symlink("../../outside", root.join("app/link")).unwrap();
        let modes = || {
            ["image", "image/app", "image/app/f", "outside"].map(|path| {
                fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777
            })
        };
        let before = modes();
        assert_eq!(is_read_only(&root), Some(false));
        set_read_only(&root, true).unwrap();
        assert_eq!(is_read_only(&root), Some(true));
        assert_eq!(modes()[..3], before.map(|mode| mode & !WRITE)[..3]);
        assert_eq!(modes()[3], before[3], "behind a link");
        fs::write(mark(&root), BEGUN).unwrap();
        assert_eq!(is_read_only(&root), None);
        set_read_only(&root, false).unwrap();
        assert_eq!(is_read_only(&root), Some(false));
        assert_eq!(modes().map(|mode| mode & 0o700), [0o700, 0o700, 0o600, 0o600]);
        set_read_only(&root, true).unwrap();
        remove(&root);
        let left = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["outside"]);
    }
}

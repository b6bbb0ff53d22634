//! Whether this host lets processes have a view of files of their own, tried without a platform.

use std::fs;
use std::io;
use std::path::Path;

use super::layers::remove;
use super::starter::start;
use super::view::TRIAL_PASSED;
use super::wire::{LayerView, Request, View};

/// Tries it with files in `dir`, which must exist and be writable; blocks.
///
/// # Errors
/// Why the host forbids it.
pub fn check_views(dir: &Path) -> io::Result<()> {
    let dir = dir.canonicalize()?.join(format!("view-{}", std::process::id()));
    let folder = |name: &str| dir.join(name);
    for name in ["image", "home", "upper", "work"] {
        fs::create_dir_all(folder(name))?;
    }
    let view = LayerView {
        image: folder("image").into(),
        home: folder("home").into(),
        upper: folder("upper").into(),
        work: folder("work").into(),
        cover: dir.clone().into(),
        user_namespace: !rustix::process::geteuid().is_root(),
        mounts: Vec::new(),
        stages: folder("stages").into(),
        trial: true,
    };
    let request = Request {
        program: "/".into(),
        working_dir: "/".into(),
        view: View::Layer(view),
        ..Request::default()
    };
    let tried = start(request, Vec::new());
    // An overlay's work directory is closed to its owner.
    let _ = remove(&dir);
    match tried {
        Err(error) if error.raw_os_error() == Some(TRIAL_PASSED.raw_os_error()) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("a trial was run as a program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_why_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let _either = check_views(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(check_views(&dir.path().join("none")).is_err());
    }
}

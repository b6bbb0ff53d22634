//! Resolution of paths in an unpacked image, whose folder stands for `/`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as Linux follows.
const LINKS_MAX: usize = 40;
/// Most folders nested in one path.
const DEPTH_MAX: usize = 512;

/// Where `path` of the image lies on the host: symbolic links are followed as if `rootfs` were `/`,
/// so that neither an absolute link nor `..` leaves it. Components that do not exist are kept.
/// `None` only when links go in a circle, or too deep.
pub fn resolve_in_rootfs(rootfs: &Path, path: &Path) -> Option<PathBuf> {
    let mut ahead: VecDeque<OsString> = parts(path).collect();
    let mut inside: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            inside.pop();
            continue;
        }
        inside.push(part);
        if inside.len() > DEPTH_MAX {
            return None;
        }
        let here = host_path(rootfs, &inside);
        let Ok(target) = std::fs::read_link(&here) else { continue };
        links += 1;
        if links > LINKS_MAX {
            return None;
        }
        inside.pop();
        if target.is_absolute() {
            inside.clear();
        }
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            ahead.push_front(part);
        }
    }
    Some(host_path(rootfs, &inside))
}

fn host_path(rootfs: &Path, inside: &[OsString]) -> PathBuf {
    let mut path = rootfs.to_owned();
    path.extend(inside);
    path
}

/// Names and `..`; the root and `.` are dropped.
fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_dots_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../../../../etc", root.join("usr/escape")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let resolve = |path: &str| resolve_in_rootfs(root, Path::new(path));
        assert_eq!(resolve("/lib/libc.so"), Some(root.join("usr/lib/libc.so")));
        assert_eq!(resolve("usr/escape/passwd"), Some(root.join("etc/passwd")));
        assert_eq!(resolve("/../../etc/passwd"), Some(root.join("etc/passwd")));
        assert_eq!(resolve("/round"), None);
        assert!(resolve(&"d/".repeat(DEPTH_MAX)).is_some());
        assert_eq!(resolve(&"d/".repeat(DEPTH_MAX + 1)), None);
    }
}

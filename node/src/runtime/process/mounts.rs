//! Volumes in a program's view of the host's files.
//!
//! Each is mounted at its path, and, where its image has that path too, also below the folder that the
//! image is unpacked in. A mount point that the host does not have is made without a trace on it: the
//! folder that it would be in is replaced, in this view alone, by one in memory that holds all that was
//! in it, and the mount point.
//!
//! What allocates memory is prepared before the fork.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind_recursive,
    mount_move, mount_remount, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::wire::LayerView;

/// Volume mounts of a container, with their places in its image.
const MOUNTS_MAX: usize = 128;
/// Entries of a folder that has to be replaced.
const ENTRIES_MAX: usize = 4096;

/// The mounts, ready to be made.
#[derive(Default)]
pub(super) struct Mounts {
    folders: Vec<Folder>,
    binds: Vec<Bind>,
}

/// A folder of the host to which mount points are added.
struct Folder {
    path: CString,
    is_root: bool,
    stage: CString,
    /// Where the stage is seen again, within itself.
    nested: Option<CString>,
    options: CString,
    entries: Vec<Entry>,
}

struct Entry {
    source: CString,
    place: CString,
    kind: Kind,
}

enum Kind {
    Directory,
    File,
    Link(CString),
}

struct Bind {
    source: CString,
    /// The folders to make, outermost first.
    parents: Vec<CString>,
    target: CString,
    is_dir: bool,
    read_only: bool,
}

/// The volumes, taken before anything hides them.
pub(super) type Taken = [Option<OwnedFd>; MOUNTS_MAX];

impl Mounts {
    pub(super) fn new(layer: &LayerView) -> io::Result<Self> {
        let mut made = Self::default();
        let cover = Path::new(&layer.cover);
        let mut views: Vec<_> = layer.mounts.iter().collect();
        // A mount in another comes after it.
        views.sort_by_key(|view| Path::new(&view.target).components().count());
        let mut folders: Vec<PathBuf> = Vec::new();
        for view in views {
            let target = normal(&view.target)?;
            let source = Path::new(&view.source);
            let found = fs::metadata(source)
                .map_err(|error| io::Error::other(format!("{}: {error}", source.display())));
            let is_dir = found?.is_dir();
            let existing = existing(&target);
            let missing = existing != target;
            let replaced = folders.contains(&existing);
            if missing && !target.starts_with(cover) && !replaced {
                folders.push(existing.clone());
            }
            let mut bind = |base: &Path, target: &Path| {
                made.binds.push(Bind {
                    source: c_string(source)?,
                    parents: between(base, target)?,
                    target: c_string(target)?,
                    is_dir,
                    read_only: view.read_only,
                });
                Ok::<_, io::Error>(())
            };
            bind(if target.starts_with(cover) { cover } else { &existing }, &target)?;
            // Programs that run in place find files of their image by where it is unpacked.
            let image = Path::new(&layer.image);
            let mut inner = target.components().skip(1);
            let top = inner.next().filter(|top| image.join(top).is_dir());
            if let (Some(_), Ok(relative)) = (top, target.strip_prefix("/")) {
                bind(image, &image.join(relative))?;
            }
        }
        if made.binds.len() > MOUNTS_MAX {
            return Err(io::Error::other(format!("more than {MOUNTS_MAX} volume mounts")));
        }
        folders.sort_by_key(|folder| folder.components().count());
        for (number, path) in folders.iter().enumerate() {
            let stage = Path::new(&layer.stages).join(number.to_string());
            fs::create_dir_all(&stage)?;
            made.folders.push(Folder::new(path, &stage)?);
        }
        Ok(made)
    }

    /// Takes the volumes, and replaces the folders that mount points are added to. To be called in the
    /// child: makes system calls only.
    pub(super) fn begin(&self) -> io::Result<Taken> {
        let mut taken = [const { None }; MOUNTS_MAX];
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE;
        for (bind, place) in self.binds.iter().zip(&mut taken) {
            *place = Some(open_tree(CWD, bind.source.as_c_str(), flags)?);
        }
        self.folders.iter().try_for_each(Folder::replace)?;
        Ok(taken)
    }

    /// Mounts the volumes. To be called in the child: makes system calls only.
    pub(super) fn finish(&self, taken: &Taken) -> io::Result<()> {
        for (bind, tree) in self.binds.iter().zip(taken) {
            let Some(tree) = tree else { continue };
            bind.parents.iter().try_for_each(|folder| make_dir(folder, 0o755))?;
            if bind.is_dir {
                make_dir(&bind.target, 0o755)?;
            } else {
                make_file(&bind.target)?;
            }
            let (from, target) = (MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH, bind.target.as_c_str());
            move_mount(tree.as_fd(), c"", CWD, target, from)?;
            if bind.read_only {
                read_only(target)?;
            }
        }
        Ok(())
    }
}

impl Folder {
    fn new(path: &Path, stage: &Path) -> io::Result<Self> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let kind = if kind.is_dir() {
                Kind::Directory
            } else if kind.is_symlink() {
                Kind::Link(c_string(&fs::read_link(entry.path())?)?)
            } else {
                Kind::File
            };
            let (source, place) =
                (c_string(&entry.path())?, c_string(&stage.join(entry.file_name()))?);
            entries.push(Entry { source, place, kind });
        }
        if entries.len() > ENTRIES_MAX {
            return Err(io::Error::other(format!(
                "a mount point cannot be made in {}, which has more than {ENTRIES_MAX} entries",
                path.display()
            )));
        }
        // The one that has the stage in it is bound first: it is to hold no more than an empty stage.
        entries.sort_by_key(|entry| {
            !stage.as_os_str().as_bytes().starts_with(&[entry.source.as_bytes(), b"/"].concat())
        });
        let nested = stage.strip_prefix(path).ok().map(|inner| c_string(&stage.join(inner)));
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        Ok(Self {
            path: c_string(path)?,
            is_root: path == Path::new("/"),
            stage: c_string(stage)?,
            nested: nested.transpose()?,
            options: CString::new(format!("mode={mode:o}"))?,
            entries,
        })
    }

    fn replace(&self) -> io::Result<()> {
        let (tmpfs, flags) = (c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV);
        mount(tmpfs, self.stage.as_c_str(), tmpfs, flags, Some(self.options.as_c_str()))?;
        for entry in &self.entries {
            entry.copy()?;
        }
        if let Some(nested) = &self.nested {
            // It may not have been copied.
            let _gone = unmount(nested.as_c_str(), UnmountFlags::DETACH);
        }
        if !self.is_root {
            return Ok(mount_move(self.stage.as_c_str(), self.path.as_c_str())?);
        }
        chdir(self.stage.as_c_str())?;
        pivot_root(c".", c".")?;
        // The old root lies over the new one.
        unmount(c".", UnmountFlags::DETACH)?;
        Ok(chdir(c"/")?)
    }
}

impl Entry {
    /// The entry in the stage. One that has gone, or is closed to this user, is left out.
    fn copy(&self) -> io::Result<()> {
        match &self.kind {
            Kind::Link(target) => {
                return Ok(rustix::fs::symlink(target.as_c_str(), self.place.as_c_str())?);
            }
            Kind::Directory => make_dir(&self.place, 0o755)?,
            Kind::File => make_file(&self.place)?,
        }
        match mount_bind_recursive(self.source.as_c_str(), self.place.as_c_str()) {
            Err(Errno::NOENT | Errno::ACCESS | Errno::STALE) => Ok(()),
            bound => Ok(bound?),
        }
    }
}

fn make_dir(path: &CStr, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        made => Ok(made?),
    }
}

fn make_file(path: &CStr) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)) {
        // What is there already needs not be opened.
        Ok(_) | Err(Errno::ACCESS | Errno::LOOP | Errno::NXIO) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Flags that the mount has from the host must stay.
fn read_only(path: &CStr) -> io::Result<()> {
    use rustix::fs::StatVfsMountFlags as Has;
    let has = statvfs(path)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for (found, kept) in [
        (Has::NOSUID, MountFlags::NOSUID),
        (Has::NODEV, MountFlags::NODEV),
        (Has::NOEXEC, MountFlags::NOEXEC),
        (Has::NOATIME, MountFlags::NOATIME),
        (Has::RELATIME, MountFlags::RELATIME),
    ] {
        flags.set(kept, has.contains(found));
    }
    Ok(mount_remount(path, flags, c"")?)
}

/// An absolute path without `.`, `..` and doubled slashes.
fn normal(path: &OsString) -> io::Result<PathBuf> {
    let wrong = || io::Error::other(format!("{path:?} is no path to mount at"));
    let mut all = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => all.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(wrong()),
        }
    }
    if !path.as_bytes().starts_with(b"/") || all == Path::new("/") {
        return Err(wrong());
    }
    Ok(all)
}

/// The path, or the deepest folder above it that exists.
fn existing(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|above| above.exists());
    there.unwrap_or(Path::new("/")).to_owned()
}

/// The folders between `base` and `path`, outermost first.
fn between(base: &Path, path: &Path) -> io::Result<Vec<CString>> {
    let inside = |above: &&Path| *above != base && above.starts_with(base);
    let above = path.ancestors().skip(1).take_while(inside);
    let mut all = above.map(c_string).collect::<io::Result<Vec<_>>>()?;
    all.reverse();
    Ok(all)
}

fn c_string(path: &Path) -> io::Result<CString> {
    let text: &OsStr = path.as_os_str();
    Ok(CString::new(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_mount_at_is_an_absolute_path_below_the_root() {
        for (path, want) in [
            ("/etc/app", Some("/etc/app")),
            ("//etc/./app/", Some("/etc/app")),
            ("/etc/../app", None),
            ("etc", None),
            ("/", None),
            ("", None),
        ] {
            let normal = normal(&OsString::from(path)).ok();
            assert_eq!(normal, want.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn what_is_missing_of_a_path_is_made_below_what_exists() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        assert_eq!(existing(&path), dir.path());
        let missing = between(dir.path(), &path).unwrap();
        let want =
            [c_string(&dir.path().join("a")).unwrap(), c_string(&dir.path().join("a/b")).unwrap()];
        assert_eq!(missing, want);
        assert_eq!(between(&path, &path).unwrap().len(), 0);
    }
}

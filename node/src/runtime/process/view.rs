//! A program's view of the host's files, made in the child between fork and exec.
//!
//! In a mount namespace of the program's own an overlay lies over the folder that its image is unpacked
//! in: paths stay as they are, and writes go to the container's folder. Nothing else
//! of the platform's data directory (keys, state, other pods' files) is visible. All that allocates
//! memory is prepared before the fork.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
    move_mount, open_tree,
};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::thread::{
    ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces, unshare_unsafe,
};

use super::mounts::Mounts;
use super::wire::{LayerView, View};
use crate::runtime::proc;

/// The error that reports a passed trial; no step of a trial fails with it.
pub(super) const TRIAL_PASSED: Errno = Errno::CANCELED;

/// Room for the folders that lead to image and home, and for nothing more.
const COVER: &CStr = c"mode=555,size=64k";

/// A view that is ready to be entered.
pub(super) enum Prepared {
    Host,
    Layer(Layer),
    /// The view of another program.
    Joined {
        program: OwnedFd,
        spaces: ThreadNameSpaceType,
        working_dir: CString,
    },
}

pub(super) struct Layer {
    /// The lines that map user and group, where a user namespace is needed.
    ids: Option<(CString, CString)>,
    options: CString,
    image: CString,
    home: CString,
    cover: CString,
    /// The folders below the cover that image and home are in, outermost first.
    image_path: Vec<CString>,
    home_path: Vec<CString>,
    working_dir: CString,
    mounts: Mounts,
    /// The file that a trial writes instead of running a program.
    trial: Option<CString>,
}

impl Prepared {
    pub(super) fn new(view: &View, working_dir: &OsStr) -> io::Result<Self> {
        let working_dir = CString::new(working_dir.as_bytes())?;
        Ok(match view {
            View::Host => Self::Host,
            View::Layer(layer) => Self::Layer(Layer::new(layer, working_dir)?),
            View::Joined { leader, started, user_namespace } => {
                let pid = proc::as_pid(*leader).ok_or(io::ErrorKind::NotFound)?;
                let program = pidfd_open(pid, PidfdFlags::empty())?;
                // The pid may be reused by now.
                if proc::stat(*leader).is_none_or(|stat| stat.started != *started) {
                    return Err(io::Error::other("its container has ended"));
                }
                let mut spaces = ThreadNameSpaceType::MOUNT;
                spaces.set(ThreadNameSpaceType::USER, *user_namespace);
                Self::Joined { program, spaces, working_dir }
            }
        })
    }

    /// To be called in the child: makes system calls only, allocates no memory and takes no lock.
    pub(super) fn enter(&self) -> io::Result<()> {
        match self {
            Self::Host => Ok(()),
            Self::Layer(layer) => layer.enter(),
            Self::Joined { program, spaces, working_dir } => {
                move_into_thread_name_spaces(program.as_fd(), *spaces)?;
                Ok(rustix::process::chdir(working_dir.as_c_str())?)
            }
        }
    }
}

impl Layer {
    fn new(layer: &LayerView, working_dir: CString) -> io::Result<Self> {
        let path = |path: &OsStr| CString::new(path.as_bytes());
        let mut options = Vec::new();
        let folders =
            [("lowerdir", &layer.image), ("upperdir", &layer.upper), ("workdir", &layer.work)];
        for (name, folder) in folders {
            options.extend([name.as_bytes(), b"="].concat());
            options.extend(escaped(folder));
            options.push(b',');
        }
        // The layer is not read after a crash, so it needs no sync; without this, even its unmount
        // would sync the whole disk.
        options.extend(b"volatile");
        if layer.user_namespace {
            options.extend(b",userxattr");
        }
        let ids = layer.user_namespace.then(|| {
            let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
            let line = |id: u32| CString::new(format!("{id} {id} 1"));
            Ok::<_, io::Error>((line(user.as_raw())?, line(group.as_raw())?))
        });
        let trial = Path::new(&layer.image).join("trial");
        Ok(Self {
            ids: ids.transpose()?,
            options: CString::new(options)?,
            image: path(&layer.image)?,
            home: path(&layer.home)?,
            cover: path(&layer.cover)?,
            image_path: below(&layer.cover, &layer.image)?,
            home_path: below(&layer.cover, &layer.home)?,
            working_dir,
            mounts: Mounts::new(layer)?,
            trial: layer.trial.then(|| path(trial.as_os_str())).transpose()?,
        })
    }

    fn enter(&self) -> io::Result<()> {
        let mut spaces = UnshareFlags::NEWNS;
        spaces.set(UnshareFlags::NEWUSER, self.ids.is_some());
        unshare(spaces)?;
        if let Some((user, group)) = &self.ids {
            // The kernel's condition for mapping a group without privilege.
            write(c"/proc/self/setgroups", c"deny")?;
            write(c"/proc/self/uid_map", user)?;
            write(c"/proc/self/gid_map", group)?;
        }
        // The host's mounts and unmounts propagate here; mounts made here stay here.
        mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)?;
        let taken = self.mounts.begin()?;
        let (overlay, options) = (c"overlay", Some(self.options.as_c_str()));
        mount(overlay, self.image.as_c_str(), overlay, MountFlags::empty(), options)?;
        self.cover()?;
        self.mounts.finish(&taken)?;
        if let Some(file) = &self.trial {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::open(file.as_c_str(), flags, Mode::RUSR)?;
            return Err(TRIAL_PASSED.into());
        }
        // The working directory until now is below the overlay.
        Ok(rustix::process::chdir(self.working_dir.as_c_str())?)
    }

    /// Puts an empty file system over the data directory, and image and home into that.
    fn cover(&self) -> io::Result<()> {
        let taken = |path: &CStr| {
            open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
        };
        let (image, home) = (taken(&self.image)?, taken(&self.home)?);
        let (tmpfs, flags) = (c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV);
        mount(tmpfs, self.cover.as_c_str(), tmpfs, flags, Some(COVER))?;
        for (tree, path) in [(image, &self.image_path), (home, &self.home_path)] {
            let Some(place) = path.last() else { continue };
            for folder in path {
                match rustix::fs::mkdir(folder.as_c_str(), Mode::from_raw_mode(0o555)) {
                    Err(Errno::EXIST) => {}
                    made => made?,
                }
            }
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(tree.as_fd(), c"", CWD, place.as_c_str(), flags)?;
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "what is unsafe is to unshare the table of descriptors")]
fn unshare(spaces: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: only namespaces are unshared, and the caller is a child of one thread.
    unsafe { unshare_unsafe(spaces) }
}

fn write(file: &CStr, text: &CStr) -> io::Result<()> {
    let file = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.to_bytes())?;
    Ok(())
}

/// `path` and the folders between `top` and it, outermost first; none if it is not below `top`.
fn below(top: &OsStr, path: &OsStr) -> io::Result<Vec<CString>> {
    let (top, path) = (Path::new(top), Path::new(path));
    let inside = path.ancestors().take_while(|folder| *folder != top && path.starts_with(top));
    let mut all = inside
        .map(|folder| Ok(CString::new(folder.as_os_str().as_bytes())?))
        .collect::<io::Result<Vec<_>>>()?;
    all.reverse();
    Ok(all)
}

/// A path as an option of an overlay.
fn escaped(path: &OsStr) -> Vec<u8> {
    let mut all = Vec::new();
    for byte in path.as_bytes() {
        if matches!(byte, b'\\' | b',' | b':') {
            all.push(b'\\');
        }
        all.push(*byte);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_a_path_are_escaped() {
        assert_eq!(escaped(OsStr::new(r"/a:b/c,d\e")), br"/a\:b/c\,d\\e");
        assert_eq!(escaped(OsStr::new("/plain")), b"/plain");
    }

    #[test]
    fn the_folders_below_another_are_found() {
        let below = |path: &str| {
            let all = below(OsStr::new("/data"), OsStr::new(path)).unwrap();
            all.into_iter().map(|path| path.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(below("/data/images/one"), ["/data/images", "/data/images/one"]);
        assert_eq!(below("/data"), [""; 0]);
        assert_eq!(below("/database/one"), [""; 0]);
    }
}

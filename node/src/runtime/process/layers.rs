//! The protection of unpacked images from their containers' writes, and the folders of containers.
//!
//! Which protection this host allows is tried once, by a child of the starter.
//! `docs/decisions/fresh-images.md` describes the choices.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rouse_kit::Tasks;
use rustix::io::Errno;
use tokio::sync::OnceCell;

use super::spawn::{Output, Spawner};
use super::view::TRIAL_PASSED;
use super::wire::{LayerView, MountView, Request, View};

const HOME: &str = "home";
const UPPER: &str = "upper";
const WORK: &str = "work";
const STAGES: &str = "stages";

/// How images are protected from their containers' writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each container writes to a layer of its own, mounted over the image.
    Layers {
        /// Without a user namespace only root may mount.
        user_namespace: bool,
    },
    /// Images are read-only, by the modes of their files.
    ReadOnly,
    /// Not protected: pods run as root, whom file modes do not stop.
    Shared,
}

impl Way {
    /// The view of a container whose image is unpacked in `image`.
    pub(super) fn view(self, image: &Path, folder: &Folder, mounts: Vec<MountView>) -> View {
        match self {
            Self::Layers { user_namespace } => {
                View::Layer(LayerView { mounts, ..folder.layer(image, user_namespace, false) })
            }
            Self::ReadOnly | Self::Shared => View::Host,
        }
    }

    /// The view of a command beside the program that is `leader`.
    pub(super) fn joined(self, leader: u32, started: u64) -> View {
        match self {
            Self::Layers { user_namespace } => View::Joined { leader, started, user_namespace },
            Self::ReadOnly | Self::Shared => View::Host,
        }
    }
}

/// The folders of the containers of one run of a platform.
pub(super) struct Layers {
    /// The platform's data directory.
    data_dir: PathBuf,
    /// The folder of this run, removed at its end.
    run_dir: PathBuf,
    next: AtomicU64,
    /// The number of a folder that was created ahead: a start does not wait for directories.
    spare: Mutex<Option<u64>>,
    way: OnceCell<Way>,
    tasks: Tasks,
}

impl Layers {
    /// Both are absolute, and without links. `way` is given by tests.
    pub(super) fn new(
        data_dir: PathBuf,
        run_dir: PathBuf,
        way: Option<Way>,
        tasks: &Tasks,
    ) -> Self {
        let way = OnceCell::new_with(way);
        let (next, spare) = (AtomicU64::new(0), Mutex::new(None));
        Self { data_dir, run_dir, next, spare, way, tasks: tasks.clone() }
    }

    /// The protection that this host allows, tried at the first call.
    ///
    /// # Errors
    /// If the starter could not try; the next call tries again.
    pub(super) async fn way(&self, spawner: &Spawner) -> io::Result<Way> {
        let found = self.way.get_or_try_init(|| async {
            let as_root = rustix::process::geteuid().is_root();
            let tried = Way::Layers { user_namespace: !as_root };
            match self.attempt(spawner, !as_root).await {
                Ok(()) => Ok(tried),
                // Not an error of the kernel.
                Err(error) if error.raw_os_error().is_none() => Err(error),
                Err(why) if why.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) => {
                    Ok(without_layers(as_root, &"its limit of namespaces is reached"))
                }
                Err(why) => Ok(without_layers(as_root, &why)),
            }
        });
        found.await.copied()
    }

    /// The protection, if it is known by now.
    pub(super) fn known_way(&self) -> Option<Way> {
        self.way.get().copied()
    }

    /// Mounts a layer and writes to it, as a container would.
    async fn attempt(&self, spawner: &Spawner, user_namespace: bool) -> io::Result<()> {
        let folder = self.folder();
        let image = folder.path.join("image");
        // A full disk does not mean that layers cannot be mounted.
        fs::create_dir_all(&image).map_err(io::Error::other)?;
        let request = Request {
            program: "/".into(),
            working_dir: "/".into(),
            folders: folder.to_make(true),
            view: View::Layer(folder.layer(&image, user_namespace, true)),
            ..Request::default()
        };
        match spawner.spawn(request, Output::Stdout).await {
            Err(error) if error.raw_os_error() == Some(TRIAL_PASSED.raw_os_error()) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("a trial was run as a program")),
        }
    }

    /// The folder of one start of a container. The starter creates what is missing.
    pub(super) fn folder(&self) -> Folder {
        let spare = self.spare.lock().take();
        self.numbered(spare.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed)))
    }

    fn numbered(&self, number: u64) -> Folder {
        Folder { path: self.path(number), cover: self.data_dir.clone(), tasks: self.tasks.clone() }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.run_dir.join(format!("container-{number}"))
    }

    /// Creates the folder of the next container, if it does not exist yet.
    pub(super) async fn make_spare(&self) {
        if self.spare.lock().is_some() {
            return;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folders = [HOME, UPPER, WORK].map(|name| self.path(number).join(name));
        let making = move || folders.iter().try_for_each(fs::create_dir_all);
        // The starter tries again, and reports the error.
        if let Ok(Ok(())) = self.tasks.blocking("container folder", making).await {
            let kept = *self.spare.lock().get_or_insert(number);
            if kept != number {
                // Another start has made one meanwhile.
                drop(self.numbered(number));
            }
        }
    }
}

/// The protection without layers; logs a warning.
fn without_layers(as_root: bool, why: &dyn Display) -> Way {
    if as_root {
        tracing::warn!(
            %why,
            "this host does not let the platform mount overlays, and it runs as root: what a pod \
             writes into its image, later pods see; run the platform as another user, give it \
             CAP_SYS_ADMIN, or use --runtime docker"
        );
        Way::Shared
    } else {
        tracing::warn!(
            %why,
            "this host does not let the platform mount overlays: images are read-only for pods; a \
             program can write to $HOME and /tmp, or run with --runtime docker"
        );
        Way::ReadOnly
    }
}

/// The files of one start of a container: its home, and its writes to its image. Removed when
/// dropped.
pub(super) struct Folder {
    path: PathBuf,
    cover: PathBuf,
    tasks: Tasks,
}

impl Folder {
    pub(super) fn home(&self) -> PathBuf {
        self.path.join(HOME)
    }

    fn upper(&self) -> PathBuf {
        self.path.join(UPPER)
    }

    fn work(&self) -> PathBuf {
        self.path.join(WORK)
    }

    /// The folders to create before the program starts.
    pub(super) fn to_make(&self, with_layer: bool) -> Vec<OsString> {
        let layer = with_layer.then(|| [self.upper().into(), self.work().into()]);
        [self.home().into()].into_iter().chain(layer.into_iter().flatten()).collect()
    }

    fn layer(&self, image: &Path, user_namespace: bool, trial: bool) -> LayerView {
        LayerView {
            image: image.into(),
            home: self.home().into(),
            upper: self.upper().into(),
            work: self.work().into(),
            cover: self.cover.clone().into(),
            user_namespace,
            mounts: Vec::new(),
            stages: self.path.join(STAGES).into(),
            trial,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let (path, tasks) = (std::mem::take(&mut self.path), self.tasks.clone());
        self.tasks.detached("container folder", async move {
            // A container may have written much.
            let removal = tasks.blocking("container folder removal", move || remove(&path));
            if let Ok(Err(error)) = removal.await {
                tracing::warn!(%error, "the folder of a container cannot be removed");
            }
        });
    }
}

/// Removes a folder and all in it, whatever the modes of its content.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            unlock(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

fn unlock(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unlock(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_layers_images_are_read_only_except_for_root() {
        let why = io::Error::from_raw_os_error(1);
        assert_eq!(without_layers(false, &why), Way::ReadOnly);
        assert_eq!(without_layers(true, &why), Way::Shared);
    }

    #[test]
    fn files_without_permissions_are_removed_too() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("container-0");
        let mode = |path: &str| fs::metadata(top.join(path)).unwrap().permissions().mode() & 0o777;
        fs::create_dir_all(top.join("work/work/deep")).unwrap();
        fs::write(top.join("work/work/deep/f"), "1").unwrap();
        for path in ["work/work/deep", "work/work"] {
            fs::set_permissions(top.join(path), Permissions::from_mode(0o000)).unwrap();
        }
        unlock(&top).unwrap();
        assert_eq!((mode("work/work"), mode("work/work/deep")), (0o700, 0o700));
        remove(&top).unwrap();
        assert!(!top.exists());
        remove(&top).unwrap();
    }
}

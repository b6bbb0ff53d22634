//! The data directory of a local cluster: its path, its files, and the platform that runs in it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::outcome::{Context, Failure, Result};

/// Name of the data directory in a folder that holds other things.
const FOLDER: &str = "rouse";
const OPEN_TO_OTHERS: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Least free bytes for a start: certificates and an empty state file need more.
const LEAST_ROOM: usize = 1 << 20;

/// A data directory, which need not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// The folder that was named, if this one is a subfolder of it.
    around: Option<PathBuf>,
}

/// The content of `up.json`, written by a running platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpInfo {
    pub(crate) pid: u32,
    /// Start time of the process, so that a reused process id is not taken for it.
    pub(crate) started: u64,
    pub(crate) version: String,
    pub(crate) api: String,
    pub(crate) http: String,
    /// Base URL of the gateway for https; empty from a version that had none.
    #[serde(default)]
    pub(crate) https: String,
    /// The domain of the services' URLs; empty from a version that had one only.
    #[serde(default)]
    pub(crate) domain: String,
    /// Base URL of the admin port; empty from a version that had none.
    #[serde(default)]
    pub(crate) admin: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) runtime: String,
    pub(crate) runtime_because: String,
    pub(crate) ephemeral: bool,
    /// RFC 3339.
    pub(crate) since: String,
    /// Notes for the user, such as ports that moved.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// Held while a platform runs; the kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] fs::File);

impl DataDir {
    /// The named directory, else `ROUSE_DATA_DIR`, else the default under the user's data home.
    pub(crate) fn chosen(named: Option<&Path>) -> Result<Self> {
        let from_env =
            || std::env::var_os("ROUSE_DATA_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
        if let Some(dir) = named.map(Path::to_path_buf).or_else(from_env) {
            let dir =
                std::path::absolute(&dir).or_fail(|| format!("{} is no path", dir.display()))?;
            return Ok(Self::within(dir));
        }
        let home = std::env::var_os("XDG_DATA_HOME")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
        match home {
            Some(home) => Ok(Self { path: home.join(FOLDER), around: None }),
            None => {
                Err(Failure::usage("no data directory: HOME is not set")
                    .next("rouse --data-dir DIR …"))
            }
        }
    }

    /// The data directory for a named folder: a subfolder of it, if the folder holds other things
    /// or may be read by others.
    fn within(dir: PathBuf) -> Self {
        let is_ours = ["lock", "state.redb", "pki"].iter().any(|name| dir.join(name).exists());
        let is_empty = || fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none());
        let usable = |found: fs::Metadata| {
            is_ours || !found.is_dir() || (found.mode() & OPEN_TO_OTHERS == 0 && is_empty())
        };
        if fs::metadata(&dir).map_or(true, usable) {
            return Self { path: dir, around: None };
        }
        Self { path: dir.join(FOLDER), around: Some(dir) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A note for the user, if the data directory is not the folder that was named.
    pub(crate) fn elsewhere(&self) -> Option<String> {
        let (named, own) = (self.around.as_ref()?.display(), self.path.display());
        Some(format!("{named} holds other things, or is open to others: the state is in {own}"))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.join("kubeconfig")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.join("images")
    }

    /// Makes the directory, for its owner only, and checks that it can be written. An existing one
    /// is left as it is, and refused if others could write to it.
    pub(crate) fn create(&self) -> Result {
        let cannot = |error: std::io::Error| {
            Failure::new(format!("the data directory {} cannot be written", self.path.display()))
                .because(error)
                .next("rouse up --data-dir DIR, with a directory of yours that has room")
        };
        if let Some(above) = self.path.parent() {
            fs::create_dir_all(above).map_err(cannot)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.check()?,
            made => made.map_err(cannot)?,
        }
        let probe = self.join(&format!(".probe-{}", std::process::id()));
        let written = fs::write(&probe, vec![0_u8; LEAST_ROOM]);
        // Also a part of it that was written before the disk was full.
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(cannot)
    }

    /// Refuses an existing directory that others control: it holds the credentials.
    fn check(&self) -> Result {
        let refuse = |why: &str| {
            Err(Failure::new(format!("the data directory {} is not used", self.path.display()))
                .because(why)
                .next("rouse up --data-dir DIR, with a directory of yours"))
        };
        let found = fs::metadata(&self.path)
            .or_fail(|| format!("cannot look at {}", self.path.display()))?;
        if !found.is_dir() {
            return refuse("it is no directory");
        }
        if found.uid() != rustix::process::geteuid().as_raw() {
            return refuse("it belongs to another user");
        }
        if found.mode() & WRITABLE_BY_OTHERS != 0 {
            return refuse("other users can write to it (chmod go-w makes it yours alone)");
        }
        Ok(())
    }

    /// Locks the directory for this process, or says which process holds it.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.join("lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .or_fail(|| format!("cannot open {}", path.display()))?;
        let locked = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        if locked.is_ok() {
            return Ok(Lock(file));
        }
        let who = self.running().map_or_else(
            || "another rouse".to_owned(),
            |up| format!("process {} (API {}, gateway {})", up.pid, up.api, up.http),
        );
        Err(Failure::new(format!("{} is in use by {who}", self.path.display()))
            .next("rouse down, or rouse up --data-dir DIR for a second platform"))
    }

    /// The platform that runs here, if there is one.
    pub(crate) fn running(&self) -> Option<UpInfo> {
        let up: UpInfo = serde_json::from_slice(&fs::read(self.join("up.json")).ok()?).ok()?;
        (process_started(up.pid)? == up.started).then_some(up)
    }

    pub(crate) fn write_up(&self, up: &UpInfo) -> Result {
        write_whole(&self.join("up.json"), &json(up), 0o600)
    }

    pub(crate) fn remove_up(&self) {
        // Gone already is as good as removed.
        let _gone = fs::remove_file(self.join("up.json"));
    }
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("our own types have string keys");
    text.push(b'\n');
    text
}

/// Writes a file so that a reader sees the old one or the new one, whole.
pub(crate) fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result {
    let new = beside(path);
    fs::write(&new, content)
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&new, path))
        .or_fail(|| format!("cannot write {}", path.display()))
}

/// Checks that [`write_whole`] can write here, and removes an old file of that name.
pub(crate) fn clear_for_whole(path: &Path) -> Result {
    let new = beside(path);
    let cleared = fs::write(&new, "").and_then(|()| fs::remove_file(&new)).and_then(|()| {
        fs::remove_file(path).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
    });
    cleared.or_fail(|| format!("cannot write {}", path.display()))
}

/// The path at which a file is written before it is renamed.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// When a process started, in clock ticks since boot; `None` if there is no such process.
pub(crate) fn process_started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in brackets, may hold spaces; the 22nd field is the 20th after it.
    let fields = stat.rsplit_once(')')?.1;
    let mut fields = fields.split_ascii_whitespace();
    if fields.clone().next() == Some("Z") {
        return None;
    }
    fields.nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temp() -> (tempfile::TempDir, DataDir) {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::within(dir.path().join("data"));
        (dir, data)
    }

    #[test]
    fn a_second_lock_says_that_the_directory_is_in_use() {
        let (_keep, dir) = temp();
        dir.create().unwrap();
        let held = dir.lock().unwrap();
        assert!(dir.lock().unwrap_err().to_string().contains("is in use by"));
        drop(held);
        dir.lock().unwrap();
    }

    #[test]
    fn a_path_is_checked_before_its_file_is_written() {
        let temp = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(temp.path()).unwrap().count();
        let file = temp.path().join("ready.json");
        clear_for_whole(&file).unwrap();
        assert_eq!(names(), 0);
        write_whole(&file, b"{}", 0o644).unwrap();
        assert_eq!(names(), 1);
        clear_for_whole(&file).unwrap();
        assert_eq!(names(), 0, "an old one says nothing of this start");
        fs::create_dir(&file).unwrap();
        assert!(clear_for_whole(&file).unwrap_err().to_string().contains("cannot write"));
        assert!(clear_for_whole(&temp.path().join("none/ready.json")).is_err());
    }

    #[test]
    fn a_folder_that_is_there_is_never_changed() {
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        let keep = tempfile::tempdir().unwrap();
        let folder = |name: &str, mode: u32| {
            let path = keep.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let empty = folder("empty", 0o700);
        let used = DataDir::within(empty.clone());
        assert_eq!((used.elsewhere(), used.path), (None, empty));
        for (name, bits) in [("shared", 0o1777), ("readable", 0o755)] {
            let path = folder(name, bits);
            let dir = DataDir::within(path.clone());
            assert_eq!(dir.path(), path.join("rouse"));
            assert!(dir.elsewhere().unwrap().starts_with(path.to_str().unwrap()));
            dir.create().unwrap();
            drop(dir.lock().unwrap());
            assert_eq!((mode(&path), mode(dir.path())), (bits, 0o700));
            // The next command finds it again.
            assert_eq!(DataDir::within(path.clone()).path, path.join("rouse"));
            assert_eq!(DataDir::within(path.join("rouse")).path, path.join("rouse"));
        }
        let full = folder("full", 0o700);
        fs::write(full.join("thesis.tex"), "").unwrap();
        assert_eq!(DataDir::within(full.clone()).path, full.join("rouse"));
        let open = folder("open", 0o777);
        let refused =
            DataDir { path: open.clone(), around: None }.create().unwrap_err().to_string();
        assert!(refused.contains("other users can write to it"), "{refused}");
        assert_eq!(mode(&open), 0o777);
    }

    #[test]
    fn a_reused_process_id_is_not_taken_for_the_platform() {
        let (_keep, dir) = temp();
        dir.create().unwrap();
        let mut up = UpInfo {
            pid: std::process::id(),
            started: process_started(std::process::id()).unwrap(),
            version: "1".into(),
            api: "https://127.0.0.1:1".into(),
            domain: "localhost".to_owned(),
            http: "http://127.0.0.1:2".into(),
            https: "https://localhost:4".into(),
            admin: "http://127.0.0.1:3".into(),
            kubeconfig: "/k".into(),
            runtime: "fake".into(),
            runtime_because: "asked for".into(),
            ephemeral: true,
            since: "2026-01-01T00:00:00Z".into(),
            notes: Vec::new(),
        };
        dir.write_up(&up).unwrap();
        assert_eq!(dir.running().unwrap().pid, up.pid);
        up.started += 1;
        dir.write_up(&up).unwrap();
        assert!(dir.running().is_none());
    }
}

//! Records of the processes of pods, by which a later start, or the guard, ends those of a dead
//! platform.
//!
//! Each run of a platform (an *instance*) has a directory with one file per container, named by the
//! process id and holding its start time; and each process inherits a marker in its environment.
//! Either alone can be lost (a program may leave its session, or overwrite its environment). The files
//! of its containers (`layers`) are in the directory too, and are removed with it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rouse_k8s::hash::fnv1a_64;

use super::layers;
use crate::runtime::instance::{boot, instance};
use crate::runtime::proc;
use crate::spec::PodRef;

const PREFIX: &str = "run-";

pub(super) struct Survivors {
    home: PathBuf,
    /// Tells data directories apart.
    place: String,
    instance: String,
}

/// The file of one container; removed when it has ended.
pub(super) struct Record {
    path: PathBuf,
}

impl Drop for Record {
    fn drop(&mut self) {
        // A record that stays names an ended process, which the next start notices.
        let _ = fs::remove_file(&self.path);
    }
}

impl Survivors {
    pub(super) fn open(home: &Path) -> io::Result<Self> {
        fs::create_dir_all(home)?;
        let home = home.canonicalize()?;
        let instance = instance();
        fs::create_dir_all(home.join(format!("{PREFIX}{instance}")))?;
        Ok(Self { place: place(&home), instance, home })
    }

    /// The folder of this run, removed at its end.
    pub(super) fn run_dir(&self) -> PathBuf {
        self.home.join(format!("{PREFIX}{}", self.instance))
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn marker(&self, pod: &PodRef, container: &str) -> String {
        format!("{}/{}/{}/{container}", self.place, self.instance, pod.uid)
    }

    pub(super) fn record(&self, leader: u32, started: u64) -> Record {
        let dir = self.run_dir();
        let path = dir.join(leader.to_string());
        let write = || fs::write(&path, started.to_string());
        // A guard that ended by itself removed the directory.
        if let Err(error) = write().or_else(|_| fs::create_dir_all(&dir).and_then(|()| write())) {
            tracing::warn!(%error, path = %path.display(), "cannot record a pod's process");
        }
        Record { path }
    }

    /// Ends the processes of other instances of this directory.
    pub(super) fn end_all(&self) -> usize {
        let own = format!("{PREFIX}{}", self.instance);
        let entries = fs::read_dir(&self.home).into_iter().flatten().flatten();
        let mut ended = 0;
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(instance) = name.strip_prefix(PREFIX)
                && name != own
            {
                ended += end(&self.home, &self.place, instance);
            }
        }
        ended
    }
}

/// Ends all processes of one instance, which must not be running any more.
pub(in crate::runtime) fn end_instance(home: &Path, instance: &str) -> usize {
    let Ok(home) = home.canonicalize() else { return 0 };
    end(&home, &place(&home), instance)
}

fn end(home: &Path, place: &str, instance: &str) -> usize {
    let dir = home.join(format!("{PREFIX}{instance}"));
    let mut ended = HashSet::new();
    if instance.starts_with(&boot()) {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let recorded = fs::read_to_string(entry.path()).ok().and_then(|t| t.parse().ok());
            // The pid may be reused; then the rest of the session is found by its marker.
            if proc::stat(pid).is_some_and(|stat| Some(stat.started) == recorded) {
                ended.extend(proc::kill_session(pid, None));
            }
        }
        let prefix = format!("{place}/{instance}/");
        for stat in proc::Table::read().alive() {
            if proc::marker(stat.pid).is_some_and(|m| m.starts_with(&prefix)) {
                proc::kill(stat.pid);
                ended.insert(stat.pid);
            }
        }
    }
    // If it stays, the next start looks at it again.
    let _ = layers::remove(&dir);
    ended.len()
}

/// A short name for a directory.
fn place(home: &Path) -> String {
    let hash = fnv1a_64(home.as_os_str().as_encoded_bytes());
    format!("{hash:016x}")
}

//! A record of what the demo made, kept beside its files, so that `--stop` removes that and no more.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::datadir::{DataDir, json, write_whole};
use crate::outcome::{Context, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    /// It started the platform.
    pub(super) platform: bool,
    /// The data directory was empty before.
    pub(super) state: bool,
    /// It created the namespace.
    pub(super) namespace: bool,
    /// It created the service.
    pub(super) service: bool,
}

impl Made {
    /// `None` if no demo ran here.
    pub(super) fn read(dir: &DataDir) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(dir)).ok()?).ok()
    }

    /// Adds to the record of earlier runs. Called before anything is made, so that an interrupted
    /// demo can be removed, too.
    pub(super) fn note(self, dir: &DataDir) -> Result {
        self.and(Self::read(dir).unwrap_or_default()).write(dir)
    }

    /// Replaces the record.
    pub(super) fn write(self, dir: &DataDir) -> Result {
        let parent = dir.join("demo");
        fs::create_dir_all(&parent).or_fail(|| format!("cannot make {}", parent.display()))?;
        write_whole(&path(dir), &json(&self), 0o600)
    }

    /// Removes the record, and its folder if that is then empty.
    pub(super) fn forget(dir: &DataDir) -> Result {
        let path = path(dir);
        fs::remove_file(&path).or_fail(|| format!("cannot remove {}", path.display()))?;
        let _kept = fs::remove_dir(dir.join("demo"));
        Ok(())
    }

    /// The union of two records.
    fn and(self, other: Self) -> Self {
        Self {
            platform: self.platform || other.platform,
            state: self.state || other.state,
            namespace: self.namespace || other.namespace,
            service: self.service || other.service,
        }
    }
}

fn path(dir: &DataDir) -> std::path::PathBuf {
    dir.join("demo").join("made.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_run_made_is_not_forgotten_by_the_next() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::chosen(Some(temp.path())).unwrap();
        assert_eq!(Made::read(&dir), None, "no demo ran here");
        Made { platform: true, state: true, ..Made::default() }.note(&dir).unwrap();
        Made { service: true, ..Made::default() }.note(&dir).unwrap();
        let made = Made { platform: true, state: true, namespace: false, service: true };
        assert_eq!(Made::read(&dir), Some(made));
    }
}

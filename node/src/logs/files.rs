//! Paths of the log files, one per run of a container.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn rotated(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

pub(super) fn run_path(dir: &Path, restarts: i32) -> PathBuf {
    dir.join(format!("{restarts}.log"))
}

/// The runs that have a log, oldest first.
pub(super) fn runs(dir: &Path) -> Vec<i32> {
    let mut runs: Vec<i32> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log")?.parse().ok())
        .collect();
    runs.sort_unstable();
    runs
}

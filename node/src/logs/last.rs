//! The newest logs among the pods of a service, to find out why it scaled down or failed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::{run_path, runs};
use super::text::{LogOptions, beginning, render};

/// The log of a container of the last pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLog {
    pub pod: String,
    pub container: String,
    /// Plain text, a line each.
    pub text: String,
}

/// The logs of the newest pod of a namespace whose name `is_ours`, deleted or not, one a container; to
/// find out why a service is at zero. `logs` is the data directory's `logs`; of `container` alone, where
/// it is given.
#[must_use]
pub fn of_last_pod(
    logs: &Path,
    namespace: &str,
    is_ours: impl Fn(&str) -> bool,
    container: Option<&str>,
    options: &LogOptions,
) -> Vec<LastLog> {
    let mut newest: Option<(SystemTime, String, Vec<Run>)> = None;
    for pod in fs::read_dir(logs).into_iter().flatten().flatten() {
        let name = pod.file_name();
        let mut parts = name.to_str().unwrap_or_default().splitn(3, '_');
        let (of, pod_name) = (parts.next(), parts.next().unwrap_or_default());
        if of != Some(namespace) || !is_ours(pod_name) {
            continue;
        }
        let found = of_pod(&pod.path(), container, options.previous);
        let Some(modified) = found.iter().map(|run| run.modified).max() else { continue };
        if newest.as_ref().is_none_or(|(before, ..)| *before < modified) {
            newest = Some((modified, pod_name.to_owned(), found));
        }
    }
    let Some((_, pod, runs)) = newest else { return Vec::new() };
    let read = |Run { container, path, .. }: Run| {
        let mut text = Vec::new();
        for line in beginning(&path, options).0 {
            render(&line, options.timestamps, &mut text);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        LastLog { pod: pod.clone(), container, text }
    };
    runs.into_iter().map(read).collect()
}

/// The log of one run of a container.
struct Run {
    modified: SystemTime,
    container: String,
    path: PathBuf,
}

/// The newest runs with text of a pod's containers, or those before them.
fn of_pod(pod: &Path, wanted: Option<&str>, previous: bool) -> Vec<Run> {
    let mut found = Vec::new();
    for container in fs::read_dir(pod).into_iter().flatten().flatten() {
        let dir = container.path();
        let container = container.file_name().to_string_lossy().into_owned();
        if wanted.is_some_and(|wanted| wanted != container) {
            continue;
        }
        let with_text = |run: &i32| fs::metadata(run_path(&dir, *run)).is_ok_and(|m| m.len() > 0);
        let mut newest_first = runs(&dir).into_iter().rev().filter(with_text);
        let Some(run) = newest_first.nth(usize::from(previous)) else { continue };
        let path = run_path(&dir, run);
        if let Ok(modified) = fs::metadata(&path).and_then(|meta| meta.modified()) {
            found.push(Run { modified, container, path });
        }
    }
    found.sort_by(|a, b| a.container.cmp(&b.container));
    found
}

//! The newest log among the pods of a service, to find out why it scaled down or failed.

use std::fs;
use std::path::Path;

use super::files::{run_path, runs};
use super::text::tail_text;

/// The log of the last pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLog {
    pub pod: String,
    pub container: String,
    /// Plain text, a line each.
    pub text: String,
}

/// The newest log among the pods of a namespace whose name `is_ours`, deleted or not; to find out
/// why a service is at zero. `logs` is the data directory's `logs`.
#[must_use]
pub fn of_last_pod(
    logs: &Path,
    namespace: &str,
    is_ours: impl Fn(&str) -> bool,
    tail_lines: Option<usize>,
) -> Option<LastLog> {
    let mut found = Vec::new();
    for pod in fs::read_dir(logs).ok()?.flatten() {
        let name = pod.file_name();
        let mut parts = name.to_str()?.splitn(3, '_');
        let (of, pod_name) = (parts.next(), parts.next().unwrap_or_default());
        if of != Some(namespace) || !is_ours(pod_name) {
            continue;
        }
        for container in fs::read_dir(pod.path()).into_iter().flatten().flatten() {
            let dir = container.path();
            let with_text =
                |run: &i32| fs::metadata(run_path(&dir, *run)).is_ok_and(|m| m.len() > 0);
            let Some(run) = runs(&dir).into_iter().rev().find(with_text) else { continue };
            let path = run_path(&dir, run);
            let Ok(modified) = fs::metadata(&path).and_then(|meta| meta.modified()) else {
                continue;
            };
            let container = container.file_name().to_string_lossy().into_owned();
            found.push((modified, path, pod_name.to_owned(), container));
        }
    }
    let (_, path, pod, container) = found.into_iter().max()?;
    let text = tail_text(&path, tail_lines.unwrap_or(usize::MAX), usize::MAX);
    Some(LastLog { pod, container, text })
}

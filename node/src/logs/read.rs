//! Reading logs while they are written: the choice of the run, and following it.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use rouse_kit::Tasks;
use tokio::sync::{mpsc, watch};

use super::files::{run_path, runs};
use super::text::{LogOptions, beginning, new_lines, render, trim};
use super::write::Logs;

/// Chunks that are buffered for a slow client; then reading pauses.
const CHUNKS_WAITING_MAX: usize = 16;
const CHUNK_BYTES: usize = 32 * 1024;

/// Why there is nothing to read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error("container {container:?} in pod {pod:?} is not available: it has written no log yet")]
    NoRun { pod: String, container: String },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious { pod: String, container: String },
}

impl Logs {
    /// The newest log directory of a pod of this name.
    fn find_pod(&self, namespace: &str, pod: &str) -> Option<PathBuf> {
        let prefix = format!("{namespace}_{pod}_");
        let entries = fs::read_dir(&self.root).ok()?;
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|n| n.starts_with(&prefix)))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .max()
            .map(|(_, path)| path)
    }

    /// The text of a run in chunks; ends with the run, or at once without `follow`.
    pub fn read(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        options: LogOptions,
    ) -> Result<mpsc::Receiver<Bytes>, LogError> {
        let missing = || LogError::NoRun { pod: pod.to_owned(), container: container.to_owned() };
        let dir = self.find_pod(namespace, pod).ok_or_else(missing)?.join(container);
        let runs = runs(&dir);
        let newest = *runs.last().ok_or_else(missing)?;
        let run = if options.previous {
            *runs.iter().rev().nth(1).ok_or_else(|| LogError::NoPrevious {
                pod: pod.to_owned(),
                container: container.to_owned(),
            })?
        } else {
            newest
        };
        let path = run_path(&dir, run);
        let live = options.follow.then(|| self.live.lock().get(&path).cloned()).flatten();
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
        let tasks = self.tasks.clone();
        self.tasks.detached("log reader", send(path, options, live, sender, tasks));
        Ok(receiver)
    }
}

async fn send(
    path: PathBuf,
    options: LogOptions,
    mut live: Option<watch::Receiver<u64>>,
    sender: mpsc::Sender<Bytes>,
    tasks: Tasks,
) {
    // Marked before the first read, so that a line written in between wakes the loop below.
    if let Some(live) = &mut live {
        live.mark_unchanged();
    }
    let mut out = Out { options, sent: 0 };
    let at = path.clone();
    let options = out.options.clone();
    let read = tasks.blocking("log reader", move || beginning(&at, &options));
    let Ok((lines, mut offset)) = read.await else {
        return;
    };
    if !out.send(lines.iter().map(Vec::as_slice), &sender).await {
        return;
    }
    while let Some(moved) = &mut live {
        let ended = tokio::select! {
            biased; // a client that went away is noticed first
            () = sender.closed() => return,
            changed = moved.changed() => changed.is_err(),
        };
        let lines = new_lines(&path, &mut offset);
        if !out.send(lines.split_inclusive(|b| *b == b'\n').map(trim), &sender).await || ended {
            return;
        }
    }
}

struct Out {
    options: LogOptions,
    sent: u64,
}

impl Out {
    /// Whether more may be sent.
    async fn send<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a [u8]>,
        sender: &mpsc::Sender<Bytes>,
    ) -> bool {
        let mut chunk = Vec::new();
        for line in lines {
            render(line, self.options.timestamps, &mut chunk);
            if chunk.len() >= CHUNK_BYTES && !self.flush(&mut chunk, sender).await {
                return false;
            }
        }
        self.flush(&mut chunk, sender).await
    }

    async fn flush(&mut self, chunk: &mut Vec<u8>, sender: &mpsc::Sender<Bytes>) -> bool {
        let mut bytes = std::mem::take(chunk);
        if let Some(limit) = self.options.limit_bytes {
            let left = limit.saturating_sub(self.sent);
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            self.sent += bytes.len() as u64;
            let full = self.sent >= limit;
            return (bytes.is_empty() || sender.send(bytes.into()).await.is_ok()) && !full;
        }
        bytes.is_empty() || sender.send(bytes.into()).await.is_ok()
    }
}

//! Reading logs: which run, from which line, and following what is still written.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::{Logs, rotated, run_path, runs};

/// Chunks that wait for a slow reader; then the file waits.
const CHUNKS_WAITING_MAX: usize = 16;
const CHUNK_BYTES: usize = 32 * 1024;

/// As `kubectl logs` asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<usize>,
    pub since: Option<Timestamp>,
    pub limit_bytes: Option<u64>,
}

/// Why there is nothing to read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error("container {container:?} in pod {pod:?} is not available: it has written no log yet")]
    NoRun { pod: String, container: String },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious { pod: String, container: String },
}

/// One line of a log file.
#[derive(Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    pub time: &'a str,
    pub stream: &'a str,
    pub whole: bool,
    pub text: &'a [u8],
}

/// Takes a stored line (without its newline) apart.
#[must_use]
pub fn parse_line(line: &[u8]) -> Option<LogLine<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = std::str::from_utf8(parts.next()?).ok()?;
    let whole = parts.next()? == b"F";
    Some(LogLine { time, stream, whole, text: parts.next().unwrap_or_default() })
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
        tokio::spawn(send(path, options, live, sender));
        Ok(receiver)
    }
}

async fn send(
    path: PathBuf,
    options: LogOptions,
    mut live: Option<watch::Receiver<u64>>,
    sender: mpsc::Sender<Bytes>,
) {
    // Seen before the first read, so that a line written in between wakes the loop below.
    if let Some(live) = &mut live {
        live.mark_unchanged();
    }
    let mut out = Out { options, sent: 0 };
    let at = path.clone();
    let options = out.options.clone();
    let Ok((lines, mut offset)) =
        tokio::task::spawn_blocking(move || beginning(&at, &options)).await
    else {
        return;
    };
    if !out.send(lines.iter().map(Vec::as_slice), &sender).await {
        return;
    }
    while let Some(moved) = &mut live {
        let ended = tokio::select! {
            biased; // a reader that went away first: there is nobody to read for
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
    /// Whether more may come.
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

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn render(stored: &[u8], timestamps: bool, out: &mut Vec<u8>) {
    let Some(line) = parse_line(stored) else { return };
    if timestamps {
        out.extend_from_slice(line.time.as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(line.text);
    if line.whole {
        out.push(b'\n');
    }
}

/// The lines that are asked for among those already written, and where the file goes on.
fn beginning(path: &Path, options: &LogOptions) -> (Vec<Vec<u8>>, u64) {
    let mut lines = VecDeque::new();
    let mut offset = 0;
    for part in [rotated(path), path.to_owned()] {
        let Ok(file) = fs::File::open(&part) else { continue };
        offset = 0;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if line.last() != Some(&b'\n') {
                break;
            }
            offset += line.len() as u64;
            line.pop();
            if is_wanted(&line, options.since) {
                lines.push_back(std::mem::take(&mut line));
            }
            if options.tail_lines.is_some_and(|tail| lines.len() > tail) {
                lines.pop_front();
            }
            line.clear();
        }
    }
    (lines.into(), offset)
}

fn is_wanted(line: &[u8], since: Option<Timestamp>) -> bool {
    let Some(since) = since else { return true };
    let time = parse_line(line).and_then(|line| line.time.parse::<Timestamp>().ok());
    time.is_none_or(|time| time >= since)
}

/// Whole lines after `offset`. A file shorter than `offset` was rotated and is read from its start.
fn new_lines(path: &Path, offset: &mut u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(mut file) = fs::File::open(path) else { return bytes };
    if file.metadata().is_ok_and(|meta| meta.len() < *offset) {
        *offset = 0;
    }
    if file.seek(SeekFrom::Start(*offset)).is_err() || file.read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(whole);
    *offset += whole as u64;
    bytes
}

/// What the last pod left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLog {
    pub pod: String,
    pub container: String,
    /// Plain text, a line each.
    pub text: String,
}

/// The newest log among the pods of a namespace that `is_ours` (asked by name), gone or not; for
/// people who ask why a service that is at zero went. `logs` is a data directory's `logs`.
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

/// The end of a log as plain text, at most so many lines and bytes.
pub(super) fn tail_text(path: &Path, lines: usize, bytes: usize) -> String {
    let options = LogOptions { tail_lines: Some(lines), ..LogOptions::default() };
    let mut text = Vec::new();
    for line in beginning(path, &options).0 {
        render(&line, false, &mut text);
    }
    let start = text.len().saturating_sub(bytes);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

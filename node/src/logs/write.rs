//! Writing logs: rotated, and the previous run kept.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use rouse_kit::{Clock, Tasks};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

use super::files::{rotated, run_path, runs};
use super::line::{Lines, LogStream};
use super::text;
use crate::spec::PodRef;

/// A file is renamed to `.1` at this size, as the kubelet does by default; one older is kept.
const ROTATE_AT_BYTES: u64 = 10 * 1024 * 1024;
/// Deleted pods whose logs are kept.
pub(super) const GONE_KEPT_MAX: usize = 50;

/// All logs below one directory.
#[derive(Clone)]
pub struct Logs {
    pub(super) root: PathBuf,
    clock: Clock,
    pub(super) tasks: Tasks,
    /// Runs that may still write; the value moves with each write and closes with the writer.
    pub(super) live: Arc<Mutex<HashMap<PathBuf, watch::Receiver<u64>>>>,
}

impl Logs {
    #[must_use]
    pub fn new(root: PathBuf, clock: Clock, tasks: Tasks) -> Self {
        Self { root, clock, tasks, live: Arc::default() }
    }

    fn pod_dir(&self, pod: &PodRef) -> PathBuf {
        self.root.join(format!("{}_{}_{}", pod.namespace, pod.name, pod.uid))
    }

    /// The log of a run. Nothing is on disk before `open` or the first line: a start does not wait
    /// for directories.
    #[must_use]
    pub fn writer(&self, pod: &PodRef, container: &str, restarts: i32) -> LogWriter {
        let path = run_path(&self.pod_dir(pod).join(container), restarts);
        let (moved, live) = watch::channel(0);
        self.live.lock().insert(path.clone(), live);
        LogWriter {
            inner: Arc::new(Mutex::new(Inner { path, restarts, file: None, size: 0 })),
            moved: Arc::new(Moved { sender: moved, live: Arc::clone(&self.live) }),
            clock: self.clock,
        }
    }

    /// Removes the logs of all but the last deleted pods.
    pub fn forget_old(&self, is_live: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.root) else { return };
        let mut gone: Vec<_> = entries
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                let uid = name.to_str().and_then(|name| name.rsplit('_').next());
                !uid.is_some_and(&is_live)
            })
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        gone.sort();
        let surplus = gone.len().saturating_sub(GONE_KEPT_MAX);
        for (_, path) in gone.into_iter().take(surplus) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Writes one run's lines. Followers end when the last clone is dropped.
#[derive(Clone)]
pub struct LogWriter {
    inner: Arc<Mutex<Inner>>,
    moved: Arc<Moved>,
    clock: Clock,
}

struct Inner {
    path: PathBuf,
    restarts: i32,
    file: Option<File>,
    size: u64,
}

impl Inner {
    /// The open file; when it is created, runs before the previous one are deleted.
    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let dir = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(dir)?;
            for old in runs(dir).into_iter().filter(|run| *run < self.restarts.saturating_sub(1)) {
                // An old log that stays is no failure.
                let _ = fs::remove_file(run_path(dir, old));
                let _ = fs::remove_file(rotated(&run_path(dir, old)));
            }
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.size = file.metadata()?.len();
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("it was just opened"))
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file()?;
        if self.size >= ROTATE_AT_BYTES {
            fs::rename(&self.path, rotated(&self.path))?;
            self.file = None;
        }
        self.file()?.write_all(line)?;
        self.size += line.len() as u64;
        Ok(())
    }
}

struct Moved {
    sender: watch::Sender<u64>,
    live: Arc<Mutex<HashMap<PathBuf, watch::Receiver<u64>>>>,
}

impl Drop for Moved {
    fn drop(&mut self) {
        self.live.lock().retain(|_, run| !run.same_channel(&self.sender.subscribe()));
    }
}

impl LogWriter {
    /// Appends one line, or a part of one.
    pub fn line(&self, stream: LogStream, whole: bool, text: &[u8]) {
        let tag = if whole { "F" } else { "P" };
        let mut line = format!("{} {} {tag} ", self.clock.now(), stream.word()).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        let mut inner = self.inner.lock();
        if let Err(error) = inner.append(&line) {
            // A full disk or a read-only directory; the container runs on without its log.
            tracing::warn!(%error, path = %inner.path.display(), "cannot write a container's log");
        }
        drop(inner);
        self.moved.sender.send_modify(|written| *written += 1);
    }

    /// Makes the file, so that the log of a silent container is empty and not missing.
    pub fn open(&self) {
        let mut inner = self.inner.lock();
        if let Err(error) = inner.file() {
            tracing::warn!(%error, path = %inner.path.display(), "cannot open a container's log");
        }
    }

    /// Copies a container's output until it closes its streams. One task reads them all, in the
    /// order in which they became readable: two tasks would overtake one another.
    pub async fn pump(self, all: impl Iterator<Item = (LogStream, impl AsyncRead + Unpin)>) {
        let mut reading: FuturesUnordered<_> =
            all.map(|(s, from)| Source::new(s, from).read()).collect();
        while let Some((mut source, read)) = reading.next().await {
            let stream = source.stream;
            let each = |whole: bool, text: &[u8]| self.line(stream, whole, text);
            if read == 0 {
                source.lines.finish(each);
            } else {
                source.lines.feed(&source.buffer[..read], each);
                reading.push(source.read());
            }
        }
    }

    /// Reads the end of the log once the run has ended; does not keep the log open.
    #[must_use]
    pub fn later(&self) -> LogTail {
        LogTail { path: self.inner.lock().path.clone() }
    }
}

/// One output stream of a container.
struct Source<R> {
    stream: LogStream,
    from: R,
    lines: Lines,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Source<R> {
    fn new(stream: LogStream, from: R) -> Self {
        Self { stream, from, lines: Lines::default(), buffer: vec![0; 8 * 1024] }
    }

    /// The number of bytes read; 0 at the end, and after an error.
    async fn read(mut self) -> (Self, usize) {
        let read = self.from.read(&mut self.buffer).await.unwrap_or(0);
        (self, read)
    }
}

/// The end of one run's log.
pub struct LogTail {
    path: PathBuf,
}

impl LogTail {
    /// Its last lines as plain text, at most so many bytes.
    #[must_use]
    pub fn text(&self, lines: usize, bytes: usize) -> String {
        text::tail_text(&self.path, lines, bytes)
    }
}

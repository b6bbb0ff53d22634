//! The platform's side of the starter: requests for processes, sent over the `line`.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rouse_kit::{Component, Tasks, files};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use super::line::{self, Begin, Job, Line, Running};
use super::session::Owned;
use super::starter;
use super::wire::Request;
use crate::runtime::guard::Guard;

/// Requests that wait to be sent.
const WAITING_MAX: usize = 64;
/// No program takes this long to load, except from a disk that does not answer.
const START_MAX: Duration = Duration::from_secs(60);

/// The output of a program that is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Both,
    /// Standard error is discarded.
    Stdout,
}

/// A program that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) pid: u32,
    /// Clock ticks after boot; 0 if that could not be read.
    pub(super) started: u64,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    exit: oneshot::Receiver<ExitStatus>,
    session: Owned,
}

impl Spawned {
    /// How it ended; None if its starter ended, and the program with it.
    pub(super) async fn wait(&mut self) -> Option<ExitStatus> {
        (&mut self.exit).await.ok()
    }

    /// Ends the processes that its program started, also those that left its session.
    pub(super) fn end(&mut self, marker: &str) {
        self.session.end(Some(marker));
    }
}

pub(super) struct Spawner {
    jobs: mpsc::Sender<Job>,
    next: AtomicU64,
}

impl Spawner {
    /// Begins a starter, which ends with this. Must be called within the tokio runtime that
    /// is to serve it.
    pub(super) fn start(begin: Begin, component: &Component) -> io::Result<Self> {
        let first = Line::open(begin()?)?;
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        component.tasks.vital("starter", line::keep(begin, first, waiting, component.clone()));
        Ok(Self { jobs, next: AtomicU64::new(0) })
    }

    /// Whether requests are still accepted.
    pub(super) fn is_open(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Starts `request`, whose id and limit of open files are given here.
    pub(super) async fn spawn(&self, mut request: Request, output: Output) -> io::Result<Spawned> {
        request.id = self.next.fetch_add(1, Ordering::Relaxed);
        request.open_files = files::limit_at_start();
        let (out, stdout) = pipe::pipe()?;
        let mut pipes = vec![out.into_blocking_fd()?];
        let stderr = match output {
            Output::Both => {
                let (err, stderr) = pipe::pipe()?;
                pipes.push(err.into_blocking_fd()?);
                Some(stderr)
            }
            Output::Stdout => None,
        };
        let (answer, running) = oneshot::channel();
        let over = || io::Error::other("the platform is ending");
        let job = Job { request, pipes: Arc::new(pipes), answer, again: false };
        let asked = tokio::time::timeout(START_MAX, async {
            self.jobs.send(job).await.map_err(|_| over())?;
            running.await.map_err(|_| over())?
        });
        let late = |_| io::Error::other(format!("it did not start within {START_MAX:?}"));
        let Running { born, exit, session } = asked.await.map_err(late)??;
        let (pid, started) = (born.pid, born.started);
        Ok(Spawned { pid, started, stdout: Some(stdout), stderr, exit, session })
    }
}

/// A starter on a thread of this process, where there is no guard.
pub(super) fn on_a_thread(tasks: &Tasks) -> io::Result<(Option<Guard>, StdStream)> {
    let (ours, theirs) = StdStream::pair()?;
    tasks.thread("starter thread", "pods".to_owned(), move || starter::serve(&theirs))?;
    Ok((None, ours))
}

//! Asking for processes: the platform's side of the starter.
//!
//! A request and the pipes for the program's output go out over a socket, in the order in which
//! they were asked for; starts and ends come back. If the starter ends by itself, what it had
//! started is dead, and the next request begins a new one.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::proc;
use super::starter;
use super::wire::{self, Born, PIPES_MAX, Reply, Request};
use crate::runtime::guard::Guard;

/// Requests that wait to be sent.
const WAITING_MAX: usize = 64;
/// SIGKILL, which is how processes end whose starter ended.
const KILLED: i32 = 9;

/// How to get a starter: begins one and gives the socket to it.
pub(super) type Begin = Box<dyn Fn() -> io::Result<(Option<Guard>, StdStream)> + Send + Sync>;

/// What is to be done with a program's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Both,
    /// Its errors go nowhere.
    Stdout,
}

/// A program that runs.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) pid: u32,
    /// Clock ticks after boot; 0 if that could not be read.
    pub(super) started: u64,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    exit: oneshot::Receiver<ExitStatus>,
}

impl Spawned {
    pub(super) async fn wait(&mut self) -> ExitStatus {
        let unseen = |_| ExitStatus::from_raw(KILLED);
        (&mut self.exit).await.unwrap_or_else(unseen)
    }
}

struct Job {
    request: Request,
    pipes: Vec<OwnedFd>,
    answer: oneshot::Sender<io::Result<Running>>,
}

struct Running {
    born: Born,
    exit: oneshot::Receiver<ExitStatus>,
}

/// Who waits for what: starts by request, ends by process.
#[derive(Default)]
struct Open {
    starts: HashMap<u64, oneshot::Sender<io::Result<Running>>>,
    ends: HashMap<u32, oneshot::Sender<ExitStatus>>,
}

pub(super) struct Spawner {
    begin: Begin,
    line: Mutex<Line>,
    next: AtomicU64,
}

struct Line {
    jobs: mpsc::Sender<Job>,
    /// Ended and waited for when this is dropped.
    _guard: Option<Guard>,
}

impl Spawner {
    /// Begins a starter. Must be called within the runtime that is to listen to it.
    pub(super) fn start(begin: Begin) -> io::Result<Self> {
        let line = Mutex::new(Line::open(&begin)?);
        Ok(Self { begin, line, next: AtomicU64::new(0) })
    }

    /// Starts `request`, whose id is given here.
    pub(super) async fn spawn(&self, mut request: Request, output: Output) -> io::Result<Spawned> {
        request.id = self.next.fetch_add(1, Ordering::Relaxed);
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
        let gone = || io::Error::other("the process that starts programs has ended");
        let jobs = self.jobs()?;
        jobs.send(Job { request, pipes, answer }).await.map_err(|_| gone())?;
        let Running { born, exit } = running.await.map_err(|_| gone())??;
        Ok(Spawned { pid: born.pid, started: born.started, stdout: Some(stdout), stderr, exit })
    }

    /// The way to the starter, to a new one if the last has ended.
    fn jobs(&self) -> io::Result<mpsc::Sender<Job>> {
        let mut line = self.line.lock();
        if line.jobs.is_closed() {
            tracing::warn!("the process that starts pods had ended; starting another");
            *line = Line::open(&self.begin)?;
        }
        Ok(line.jobs.clone())
    }
}

impl Line {
    fn open(begin: &Begin) -> io::Result<Self> {
        let (guard, socket) = begin()?;
        socket.set_nonblocking(true)?;
        let (from, to) = UnixStream::from_std(socket)?.into_split();
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let open = Arc::new(Mutex::new(Open::default()));
        let sending = tokio::spawn(send(to, waiting, Arc::clone(&open)));
        tokio::spawn(async move {
            listen(from, &open).await;
            // Closes the line for requests, and ends everybody's waiting.
            sending.abort();
            *open.lock() = Open::default();
        });
        Ok(Self { jobs, _guard: guard })
    }
}

async fn send(mut to: OwnedWriteHalf, mut jobs: mpsc::Receiver<Job>, open: Arc<Mutex<Open>>) {
    while let Some(Job { request, pipes, answer }) = jobs.recv().await {
        let id = request.id;
        open.lock().starts.insert(id, answer);
        let sent = send_one(&mut to, &request, &pipes).await;
        if let Err(error) = sent
            && let Some(answer) = open.lock().starts.remove(&id)
        {
            // Whoever asked may have gone.
            let _ = answer.send(Err(error));
        }
    }
}

async fn send_one(to: &mut OwnedWriteHalf, request: &Request, pipes: &[OwnedFd]) -> io::Result<()> {
    let (length, text) = wire::frame(request)?;
    let pipes: Vec<_> = pipes.iter().take(PIPES_MAX).map(OwnedFd::as_fd).collect();
    let stream: &UnixStream = to.as_ref();
    let send = || wire::send_length(stream.as_fd(), length, &pipes);
    stream.async_io(Interest::WRITABLE, send).await?;
    to.write_all(&text).await
}

/// Hands out what the starter says until it has ended.
async fn listen(from: OwnedReadHalf, open: &Mutex<Open>) {
    let mut from = tokio::io::BufReader::new(from);
    while let Ok(reply) = wire::next_reply(&mut from).await {
        // Who asked may have gone meanwhile: what nobody waits for must not run.
        match reply {
            Reply::Started(born) => {
                let (ended, exit) = oneshot::channel();
                let mut open = open.lock();
                open.ends.insert(born.pid, ended);
                let answer = open.starts.remove(&born.id);
                let told = answer.map(|answer| answer.send(Ok(Running { born, exit })));
                if !matches!(told, Some(Ok(()))) {
                    proc::kill(born.pid);
                }
            }
            Reply::Failed { id, message } => {
                if let Some(answer) = open.lock().starts.remove(&id) {
                    let _ = answer.send(Err(io::Error::other(message)));
                }
            }
            Reply::Exited { pid, status } => {
                if let Some(ended) = open.lock().ends.remove(&pid) {
                    let _ = ended.send(ExitStatus::from_raw(status));
                }
            }
        }
    }
}

/// A starter on a thread of this process, where there is no guard.
pub(super) fn on_a_thread() -> io::Result<(Option<Guard>, StdStream)> {
    let (ours, theirs) = StdStream::pair()?;
    let thread = std::thread::Builder::new().name("pods".to_owned());
    thread.spawn(move || starter::serve(&theirs))?;
    Ok((None, ours))
}

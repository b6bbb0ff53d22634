//! The connection to the starter: one task sends requests and hands out replies.
//!
//! Requests, with the pipes for the program's output, go out over a socket in the order of the
//! calls; starts and ends come back. If the starter ends by itself, its programs die with it. The
//! next one begins only when the last is gone, because a guard at its end ends all processes of
//! this run. Requests without a reply are then sent once more.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;

use parking_lot::Mutex;
use rouse_kit::{Component, Tasks};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::session::Owned;
use super::wire::{self, Born, PIPES_MAX, Reply, Request};
use crate::runtime::guard::Guard;

/// Begins a starter and returns the socket to it.
pub(super) type Begin = Arc<dyn Fn() -> io::Result<(Option<Guard>, StdStream)> + Send + Sync>;

/// A program to start, and the channel for the reply.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) pipes: Arc<Vec<OwnedFd>>,
    pub(super) answer: oneshot::Sender<io::Result<Running>>,
    /// A starter ended already before it replied.
    pub(super) again: bool,
}

/// A program that was started.
pub(super) struct Running {
    pub(super) born: Born,
    pub(super) exit: oneshot::Receiver<ExitStatus>,
    pub(super) session: Owned,
}

/// Replies that are awaited, by request.
#[derive(Default)]
struct Open {
    starts: BTreeMap<u64, Job>,
    ends: HashMap<u64, oneshot::Sender<ExitStatus>>,
}

pub(super) struct Line {
    stream: UnixStream,
    /// Ended and waited for when this is dropped.
    _guard: Option<Guard>,
}

impl Line {
    pub(super) fn open((guard, socket): (Option<Guard>, StdStream)) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { stream: UnixStream::from_std(socket)?, _guard: guard })
    }
}

/// Serves requests until the shutdown, or until the spawner is dropped.
pub(super) async fn keep(
    begin: Begin,
    first: Line,
    mut jobs: mpsc::Receiver<Job>,
    component: Component,
) {
    let Component { tasks, shutdown, .. } = component;
    let mut line = first;
    let mut waiting = VecDeque::new();
    loop {
        let open = Mutex::new(Open::default());
        let (from, to) = line.stream.split();
        let asking = tokio::select! {
            biased; // replies that came before the connection broke are handed out
            () = listen(from, &open) => true,
            () = shutdown.cancelled() => false,
            asking = send(to, &mut waiting, &mut jobs, &open) => asking,
        };
        if asking {
            tracing::warn!("the process that starts pods has ended; the next pod restarts it");
        }
        // Waits for the guard.
        let _ended = tasks.blocking("guard's end", move || drop(line)).await;
        if !asking {
            return;
        }
        // Dropping the rest reports the end of the programs that ran.
        waiting.extend(unanswered(open.into_inner()));
        let next = next(&begin, &mut waiting, &mut jobs, &tasks);
        line = match shutdown.run_until_cancelled(next).await.flatten() {
            Some(line) => line,
            None => return,
        };
    }
}

/// Requests to send once more.
fn unanswered(open: Open) -> impl Iterator<Item = Job> {
    open.starts.into_values().filter_map(|mut job| {
        if job.again {
            let twice = "the process that starts programs ended twice before it had started this \
                         one; the platform's log may say why, a restart of the platform may help";
            // The caller may be gone.
            let _ = job.answer.send(Err(io::Error::other(twice)));
            return None;
        }
        job.again = true;
        Some(job)
    })
}

/// A new connection once a program is requested; requests fail while no starter can be begun.
async fn next(
    begin: &Begin,
    waiting: &mut VecDeque<Job>,
    jobs: &mut mpsc::Receiver<Job>,
    tasks: &Tasks,
) -> Option<Line> {
    loop {
        if waiting.is_empty() {
            waiting.push_back(jobs.recv().await?);
        }
        let begin = Arc::clone(begin);
        let begun = tasks.blocking("guard's start", move || begin()).await;
        let begun = begun.unwrap_or_else(|error| Err(io::Error::other(error)));
        match begun.and_then(Line::open) {
            Ok(line) => return Some(line),
            Err(error) => {
                for job in waiting.drain(..) {
                    let why = format!("cannot start the process that starts programs: {error}");
                    let _ = job.answer.send(Err(io::Error::other(why)));
                }
            }
        }
    }
}

/// Sends requests; returns whether there may be more after the connection broke.
async fn send(
    mut to: WriteHalf<'_>,
    waiting: &mut VecDeque<Job>,
    jobs: &mut mpsc::Receiver<Job>,
    open: &Mutex<Open>,
) -> bool {
    loop {
        let first = waiting.pop_front();
        let next = if first.is_some() { first } else { jobs.recv().await };
        let Some(job) = next else { return false };
        if job.answer.is_closed() {
            continue;
        }
        let (length, text) = match wire::frame(&job.request) {
            Ok(frame) => frame,
            Err(error) => {
                let _ = job.answer.send(Err(error));
                continue;
            }
        };
        let pipes = Arc::clone(&job.pipes);
        open.lock().starts.insert(job.request.id, job);
        if send_one(&mut to, length, &text, &pipes).await.is_err() {
            return true;
        }
    }
}

async fn send_one(
    to: &mut WriteHalf<'_>,
    length: wire::Length,
    text: &[u8],
    pipes: &[OwnedFd],
) -> io::Result<()> {
    let pipes: Vec<_> = pipes.iter().take(PIPES_MAX).map(OwnedFd::as_fd).collect();
    let stream: &UnixStream = to.as_ref();
    let send = || wire::send_length(stream.as_fd(), length, &pipes);
    stream.async_io(Interest::WRITABLE, send).await?;
    to.write_all(text).await
}

/// Hands out the starter's replies until it has ended.
async fn listen(from: ReadHalf<'_>, open: &Mutex<Open>) {
    let mut from = tokio::io::BufReader::new(from);
    while let Ok(reply) = wire::next_reply(&mut from).await {
        match reply {
            Reply::Started(born) => {
                let (ended, exit) = oneshot::channel();
                let running = Running { born, exit, session: Owned::new(born.pid) };
                let mut waiting = open.lock();
                waiting.ends.insert(born.id, ended);
                let job = waiting.starts.remove(&born.id);
                drop(waiting);
                // The caller may be gone: dropping `running` then ends the program.
                let _unowned = job.map(|job| job.answer.send(Ok(running)));
            }
            Reply::Failed { id, message, code } => {
                let job = open.lock().starts.remove(&id);
                let error = match code {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::other(message),
                };
                let _gone = job.map(|job| job.answer.send(Err(error)));
            }
            Reply::Exited { id, status } => {
                let ended = open.lock().ends.remove(&id);
                let _gone = ended.map(|ended| ended.send(ExitStatus::from_raw(status)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::spawn::{Output, Spawner, on_a_thread};
    use super::*;

    fn request(command: &str) -> Request {
        Request {
            program: "/bin/sh".into(),
            args: ["-c", command].map(str::to_owned).into(),
            working_dir: "/".into(),
            ..Request::default()
        }
    }

    /// Closes its socket at the first request, and runs on for a while.
    const LEAVES: &str = "head -c 4 > /dev/null; exec 0<&-; sleep 0.1; echo ended >> $1/log";

    #[tokio::test]
    async fn the_next_starter_begins_when_the_last_is_gone_and_gets_its_requests() {
        let dir = tempfile::tempdir().unwrap();
        let (home, begun) = (dir.path().to_owned(), AtomicUsize::new(0));
        let tasks = Component::alone("runtime").tasks;
        let begin: Begin = Arc::new(move || {
            let mut log = OpenOptions::new().create(true).append(true).open(home.join("log"))?;
            writeln!(log, "begun")?;
            if begun.fetch_add(1, Ordering::Relaxed) > 0 {
                return on_a_thread(&tasks);
            }
            let command = ["/bin/sh", "-c", LEAVES].map(OsString::from);
            Guard::of_processes(&command, &home, "").map(|(guard, socket)| (Some(guard), socket))
        });
        let spawner = Spawner::start(begin, &Component::alone("runtime")).unwrap();
        let mut child = spawner.spawn(request("exit 3"), Output::Both).await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log, "begun\nended\nbegun\n");
    }

    #[tokio::test]
    async fn a_request_that_ends_two_starters_is_not_sent_a_third_time() {
        // A socket without a peer.
        let begin: Begin = Arc::new(|| Ok((None, StdStream::pair()?.0)));
        let spawner = Spawner::start(begin, &Component::alone("runtime")).unwrap();
        let error = spawner.spawn(request("exit 3"), Output::Both).await.unwrap_err();
        assert!(error.to_string().contains("ended twice"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_to_a_silent_starter_times_out() {
        let (ours, _theirs) = StdStream::pair().unwrap();
        let begin: Begin = Arc::new(move || Ok((None, ours.try_clone()?)));
        let spawner = Spawner::start(begin, &Component::alone("runtime")).unwrap();
        let error = spawner.spawn(request("exit 3"), Output::Both).await.unwrap_err();
        assert!(error.to_string().contains("did not start within 60s"), "{error}");
    }
}

//! The loop that starts processes on request and reports their ends.
//!
//! It runs in the guard, which is small: to fork the platform itself would copy its page tables and
//! then fault on every page that it writes. Where there is no guard it runs on a thread of the
//! platform. Linux sends the parent-death signal when the *thread* that forked ends, so all are
//! forked by the one thread that runs this loop.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::view::Prepared;
use super::wire::{self, Born, Reply, Request};
use crate::runtime::proc;

/// A thread that waits for one process needs next to nothing.
const STACK: usize = 64 << 10;

/// SIGKILL as a wait status, reported for an end that could not be observed.
const KILLED: i32 = 9;

type Answers = Arc<Mutex<UnixStream>>;

/// Starts requested programs until the platform has ended; the programs then die with the calling
/// thread.
pub(in crate::runtime) fn serve(socket: &UnixStream) {
    let Ok(answers) = socket.try_clone().map(|socket| Arc::new(Mutex::new(socket))) else { return };
    // A message that cannot be read ends the loop: both sides are the same program.
    while let Ok(Some((request, pipes))) = wire::receive(socket) {
        let id = request.id;
        let told = match start(request, pipes) {
            Ok(child) => tell(id, child, &answers),
            Err(error) => {
                let (message, code) = (error.to_string(), error.raw_os_error());
                wire::reply(&answers.lock(), &Reply::Failed { id, message, code })
            }
        };
        if told.is_err() {
            return;
        }
    }
}

pub(super) fn start(request: Request, pipes: Vec<OwnedFd>) -> io::Result<Child> {
    for folder in &request.folders {
        fs::create_dir_all(folder)?;
    }
    let ready = Ready {
        parent: rustix::process::getpid(),
        view: Prepared::new(&request.view, &request.working_dir)?,
        no_new_privileges: request.no_new_privileges,
        open_files: request.open_files,
    };
    let mut command = Command::new(request.program);
    command.args(request.args).env_clear().envs(request.env).current_dir(request.working_dir);
    let mut pipes = pipes.into_iter();
    command.stdin(Stdio::null());
    command.stdout(pipes.next().map_or_else(Stdio::null, Stdio::from));
    command.stderr(pipes.next().map_or_else(Stdio::null, Stdio::from));
    before_exec(&mut command, ready);
    command.spawn()
}

/// Reports that a process runs, and later that it has ended.
fn tell(id: u64, mut child: Child, answers: &Answers) -> io::Result<()> {
    let pid = child.id();
    let started = proc::stat(pid).map_or(0, |stat| stat.started);
    wire::reply(&answers.lock(), &Reply::Started(Born { id, pid, started }))?;
    let to = Arc::clone(answers);
    #[expect(
        clippy::disallowed_methods,
        reason = "of the starter, which says so when it cannot wait"
    )]
    let waiting = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        // It fails if this process inherited an ignored SIGCHLD.
        let status = child.wait().map_or(KILLED, ExitStatusExt::into_raw);
        // The platform may have ended.
        let _ = wire::reply(&to.lock(), &Reply::Exited { id, status });
    });
    if waiting.is_err() {
        // No thread waits for it, so it must not run.
        proc::end(pid);
        return wire::reply(&answers.lock(), &Reply::Exited { id, status: KILLED });
    }
    Ok(())
}

/// What a child needs between fork and exec.
struct Ready {
    parent: Pid,
    view: Prepared,
    no_new_privileges: bool,
    open_files: Option<u64>,
}

impl Ready {
    /// Gives the child a session of its own, its view of the host's files, and an end when the thread
    /// that forked it ends.
    fn enter(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        // Before the death signal is set, which a change of credentials may clear.
        self.view.enter()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true)?;
        }
        if self.open_files.is_some() {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: self.open_files, maximum })?;
        }
        // The parent may have died before the signal was set.
        if rustix::process::getppid() != Some(self.parent) {
            return Err(rustix::io::Errno::SRCH.into());
        }
        Ok(())
    }
}

#[expect(
    unsafe_code,
    reason = "pre_exec is the only place from which a child can ask for its parent-death signal"
)]
fn before_exec(command: &mut Command, ready: Ready) {
    // SAFETY: between fork and exec only async-signal-safe functions may be called. `enter` makes
    // system calls through rustix, which allocates nothing and takes no lock for them, and reads no
    // memory but what `ready` holds.
    unsafe {
        command.pre_exec(move || ready.enter());
    }
}

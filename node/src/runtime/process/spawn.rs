//! The one thread that starts processes.
//!
//! Linux sends the parent-death signal when the *thread* that forked ends. So that thread must live
//! as long as the platform, which no thread of an async runtime promises.

use std::io;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Starts that wait for the thread; each takes about a millisecond.
const WAITING_MAX: usize = 64;

/// What a program may gain by executing another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privileges {
    Any,
    /// `allowPrivilegeEscalation: false`: set-user-id programs gain nothing.
    NoNew,
}

struct Job {
    command: Command,
    privileges: Privileges,
    answer: oneshot::Sender<io::Result<Child>>,
}

pub(super) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    /// Must be called within the runtime that will wait for the children.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_MAX);
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        std::thread::Builder::new().name("pods".to_owned()).spawn(move || {
            let _entered = runtime.enter();
            while let Some(mut job) = waiting.blocking_recv() {
                tie_to_this_thread(&mut job.command, job.privileges);
                // Nobody waits any more: dropping the child is all there is to do.
                let _ = job.answer.send(job.command.spawn());
            }
        })?;
        Ok(Self { jobs })
    }

    pub(super) async fn spawn(
        &self,
        command: Command,
        privileges: Privileges,
    ) -> io::Result<Child> {
        let (answer, child) = oneshot::channel();
        let gone = |_| io::Error::other("the thread that starts processes has ended");
        self.jobs.send(Job { command, privileges, answer }).await.map_err(|_| gone(()))?;
        child.await.map_err(|_| gone(()))?
    }
}

/// Gives the child a session of its own, and an end when this thread ends.
#[expect(
    unsafe_code,
    reason = "pre_exec is the only place from which a child can ask for its parent-death signal"
)]
fn tie_to_this_thread(command: &mut Command, privileges: Privileges) {
    let platform = rustix::process::getpid();
    // SAFETY: between fork and exec only async-signal-safe functions may be called. The closure
    // makes at most four system calls through rustix, which allocates nothing and takes no lock for them,
    // and touches no memory but its copy of `platform`.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            if privileges == Privileges::NoNew {
                rustix::thread::set_no_new_privs(true)?;
            }
            // The platform may have died before the signal was asked for.
            if rustix::process::getppid() != Some(platform) {
                return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
            }
            Ok(())
        });
    }
}

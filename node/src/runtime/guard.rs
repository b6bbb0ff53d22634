//! The platform's handle on its guard: a small process that outlives the platform by a moment, to
//! end the processes and containers of its pods.
//!
//! The parent-death signal reaches a pod's first process and no other, and containers are no
//! children at all. The guard's standard input is a socket or pipe whose other end only the platform
//! has; when that closes, for whatever reason, the guard ends everything of that one run of the
//! platform, and itself (`guard_main`).

use std::ffi::OsString;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The running guard; it ends by itself when this is dropped.
pub(super) struct Guard {
    line: Option<Line>,
    child: Child,
}

/// The platform's end of the guard's standard input.
enum Line {
    Pipe(ChildStdin),
    Socket(UnixStream),
}

/// The guard's time to end the pods: for containers it asks an engine, which may be slow.
const ENDING_MAX: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

pub(super) const PROCESSES: &str = "processes";
pub(super) const CONTAINERS: &str = "containers";

impl Guard {
    /// The guard of the containers of the engine at `host`. `command` is a command line that calls
    /// `run_guard` with the arguments that follow it. A platform without a guard runs as well; the
    /// containers that it leaves are ended by its next start.
    pub(super) fn of_containers(
        command: Option<&[OsString]>,
        host: &str,
        instance: &str,
    ) -> Option<Self> {
        let args = [CONTAINERS.into(), host.into(), instance.into()];
        match start(command?, args, Stdio::piped()) {
            Ok(mut child) => Some(Self { line: child.stdin.take().map(Line::Pipe), child }),
            Err(error) => {
                tracing::warn!(%error, "the guard of the pods did not start");
                None
            }
        }
    }

    /// The guard of the processes with records below `home`, and the socket by which it starts them.
    pub(super) fn of_processes(
        command: &[OsString],
        home: &Path,
        instance: &str,
    ) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let line = Some(Line::Socket(ours.try_clone()?));
        let args = [PROCESSES.into(), home.into(), instance.into()];
        let child = start(command, args, Stdio::from(OwnedFd::from(theirs)))?;
        Ok((Self { line, child }, ours))
    }
}

fn start(command: &[OsString], args: [OsString; 3], stdin: Stdio) -> io::Result<Child> {
    let (program, words) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(words)
        .args(args)
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at the terminal is for the platform.
        .process_group(0)
        .spawn()
}

impl Drop for Guard {
    fn drop(&mut self) {
        match self.line.take() {
            // Other owners may still hold the socket.
            Some(Line::Socket(socket)) => drop(socket.shutdown(Shutdown::Both)),
            Some(Line::Pipe(pipe)) => drop(pipe),
            None => {}
        }
        // Waiting keeps it from staying a zombie. It ends as soon as it has ended the pods; one that
        // does not must not delay the next guard.
        if !ends_within(&self.child, ENDING_MAX) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Also true where the kernel cannot tell.
fn ends_within(child: &Child, limit: Timespec) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(Ok(ended)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return true };
    let mut ends = [PollFd::new(&ended, PollFlags::IN)];
    !matches!(poll(&mut ends, Some(&limit)), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_that_does_not_end_is_distinguished_from_one_that_does() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(!ends_within(&child, Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
        child.kill().unwrap();
        assert!(ends_within(&child, ENDING_MAX));
        child.wait().unwrap();
    }
}

//! A small process that outlives the platform by a moment, to end what its pods left.
//!
//! The parent-death signal reaches a pod's first process and no other, and containers are no
//! children at all. The guard holds the reading end of a pipe whose writing end only the platform
//! has; when that closes, however it came to be, the guard ends everything of that one run of the
//! platform, and itself. It is not on the way of any start.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{docker, process};

/// The running guard; it ends by itself when this is dropped.
pub(super) struct Guard {
    line: Option<ChildStdin>,
    child: Child,
}

/// What there is to end, as the guard's arguments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Watched<'a> {
    /// Processes with records below `home`.
    Processes { home: &'a Path, instance: &'a str },
    /// Containers of the engine at `host`.
    Containers { host: &'a str, instance: &'a str },
}

const PROCESSES: &str = "processes";
const CONTAINERS: &str = "containers";

impl Watched<'_> {
    fn args(self) -> [OsString; 3] {
        match self {
            Self::Processes { home, instance } => [PROCESSES.into(), home.into(), instance.into()],
            Self::Containers { host, instance } => {
                [CONTAINERS.into(), host.into(), instance.into()]
            }
        }
    }
}

impl Guard {
    /// Starts the guard by a command line that calls [`run`] with the arguments that follow it. A
    /// platform without a guard runs as well; what it leaves is ended by its next start.
    pub(super) fn start(command: Option<&[OsString]>, watched: Watched<'_>) -> Option<Self> {
        let (program, args) = command?.split_first()?;
        let child = Command::new(program)
            .args(args)
            .args(watched.args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is for the platform.
            .process_group(0)
            .spawn();
        match child {
            Ok(mut child) => Some(Self { line: child.stdin.take(), child }),
            Err(error) => {
                tracing::warn!(%error, "the guard of the pods did not start");
                None
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.line.take());
        // It ends at once now; waiting keeps it from staying a zombie.
        let _ = self.child.wait();
    }
}

/// The guard itself: waits for the end of its standard input, then ends what its arguments say.
pub fn run(args: &[OsString]) {
    let mut nothing = [0; 64];
    while io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
    let [what, place, instance] = args else { return };
    let Some(instance) = instance.to_str() else { return };
    match what.to_str() {
        Some(PROCESSES) => {
            process::end_instance(Path::new(place), instance);
        }
        Some(CONTAINERS) => end_containers(place, instance),
        Some(_) | None => {}
    }
}

fn end_containers(host: &OsStr, instance: &str) {
    let Some(host) = host.to_str() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    // Nobody is left to tell if it fails; the next start tries again.
    let _ = runtime.block_on(docker::end_instance(host, instance));
}

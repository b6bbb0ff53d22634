//! Waiting for a container's end: its first process, then its other processes, then its output.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rouse_kit::{Task, Tasks};

use super::layers::Folder;
use super::memory::{Limits, Watch};
use super::running::Running;
use super::spawn::Spawned;
use super::survivors::Record;
use crate::logs::{LogStream, LogWriter};
use crate::runtime::interface::{ContainerSpec, Exit};
use crate::runtime::proc;

/// Output that is still in the pipe is read this long after all writers have ended.
const OUTPUT_MAX: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// 128 and SIGKILL.
const KILLED_CODE: i32 = 137;
const STARTER_ENDED: &str = "the process that starts pods ended, and the container with it";

/// A container whose end is awaited.
pub(super) struct Waiting {
    child: Spawned,
    running: Running,
    pump: Task<()>,
    memory: Option<(u64, Watch)>,
    grace: Duration,
    log: LogWriter,
    /// Its files on disk, removed at its end.
    files: (Record, Folder),
}

impl Waiting {
    /// Begins to read its output and to watch its memory.
    pub(super) fn new(
        mut child: Spawned,
        files: (Record, Folder),
        running: Running,
        spec: ContainerSpec,
        (tasks, limits): (&Tasks, &Arc<Limits>),
    ) -> Self {
        let stdout = child.stdout.take().map(|stdout| (LogStream::Stdout, stdout));
        let stderr = child.stderr.take().map(|stderr| (LogStream::Stderr, stderr));
        let output = spec.log.clone().pump(stdout.into_iter().chain(stderr));
        let pump = tasks.attached("log", output);
        let memory = spec.memory_limit.map(|limit| (limit, limits.watch(running.leader, limit)));
        Self { child, running, pump, memory, grace: spec.grace, log: spec.log, files }
    }

    pub(super) async fn wait(mut self) -> Exit {
        let status = self.child.wait().await;
        // It was signalled to end, so its remaining processes get their grace as well.
        if self.running.terminating.load(Ordering::Relaxed) {
            let others = async {
                while !proc::members(self.running.leader, None).is_empty() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            // Whether they ended or not, remaining processes are ended now.
            let _ended = tokio::time::timeout(self.grace, others).await;
        }
        self.child.end(&self.running.marker);
        if tokio::time::timeout(OUTPUT_MAX, &mut self.pump).await.is_err() {
            self.pump.abort();
        }
        drop(self.files);
        drop(self.log);
        let over = self.memory.filter(|(_, watch)| watch.is_over()).map(|(limit, _)| limit);
        let message = match (over, status) {
            (Some(limit), _) => {
                Some(format!("it used more memory than its limit of {limit} bytes"))
            }
            (None, None) => Some(STARTER_ENDED.to_owned()),
            (None, Some(_)) => None,
        };
        let oom_killed = over.is_some();
        Exit { code: status.map_or(KILLED_CODE, code), oom_killed, message }
    }
}

/// As container engines report it: 128 and the signal if a signal ended it.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

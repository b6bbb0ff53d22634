//! Waiting for a container's end: its first process, then what that started, then its output.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::running::Running;
use super::spawn::Spawned;
use super::survivors::Record;
use super::watchdog;
use crate::logs::{LogStream, LogWriter};
use crate::runtime::interface::{ContainerSpec, Exit};
use crate::runtime::proc;

/// Output that is still in the pipe is read this long after all who could write have ended.
const OUTPUT_MAX: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// 128 and SIGKILL.
const KILLED_CODE: i32 = 137;
const STARTER_ENDED: &str = "the process that starts pods ended, and the container with it";

/// All that is needed to tell how a container ended.
pub(super) struct Waiting {
    child: Spawned,
    running: Running,
    pump: JoinHandle<()>,
    over_limit: Arc<AtomicBool>,
    memory_limit: Option<u64>,
    grace: Duration,
    log: LogWriter,
    record: Record,
    /// Ends the watch of its memory.
    _ended: DropGuard,
}

impl Waiting {
    /// Begins to read its output and to watch its memory.
    pub(super) fn new(
        mut child: Spawned,
        record: Record,
        running: Running,
        spec: ContainerSpec,
    ) -> Self {
        let stdout = child.stdout.take().map(|stdout| (LogStream::Stdout, stdout));
        let stderr = child.stderr.take().map(|stderr| (LogStream::Stderr, stderr));
        let pump = tokio::spawn(spec.log.clone().pump(stdout.into_iter().chain(stderr)));
        let ended = CancellationToken::new();
        let over_limit = Arc::new(AtomicBool::new(false));
        if let Some(limit) = spec.memory_limit {
            let watch = watchdog::watch(running.leader, limit, Arc::clone(&over_limit));
            let ended = ended.clone();
            tokio::spawn(async move { ended.run_until_cancelled(watch).await });
        }
        Self {
            child,
            running,
            pump,
            over_limit,
            memory_limit: spec.memory_limit,
            grace: spec.grace,
            log: spec.log,
            record,
            _ended: ended.drop_guard(),
        }
    }

    pub(super) async fn wait(mut self) -> Exit {
        let status = self.child.wait().await;
        // It was asked to end, so those that it leaves get their grace as well.
        if self.running.terminating.load(Ordering::Relaxed) {
            let until = Instant::now() + self.grace;
            while Instant::now() < until && !proc::members(self.running.leader, None).is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        self.child.end(&self.running.marker);
        if tokio::time::timeout(OUTPUT_MAX, &mut self.pump).await.is_err() {
            self.pump.abort();
        }
        drop(self.record);
        drop(self.log);
        let oom_killed = self.over_limit.load(Ordering::Relaxed);
        let message = match (oom_killed, self.memory_limit, status) {
            (true, Some(limit), _) => {
                Some(format!("it used more memory than its limit of {limit} bytes"))
            }
            (_, _, None) => Some(STARTER_ENDED.to_owned()),
            (_, _, Some(_)) => None,
        };
        Exit { code: status.map_or(KILLED_CODE, code), oom_killed, message }
    }
}

/// As container engines say it: 128 and the signal where a signal ended it.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

//! Waiting for a container's end: its first process, then what that started, then its output.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::proc;
use super::survivors::Record;
use crate::logs::LogWriter;
use crate::runtime::Exit;

/// Output that is still in the pipe is read this long after all who could write have ended.
const OUTPUT_MAX: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Waiting {
    pub(super) child: Child,
    pub(super) leader: u32,
    pub(super) marker: String,
    pub(super) pumps: Vec<JoinHandle<()>>,
    /// It was asked to end, so those it leaves get their grace as well.
    pub(super) terminating: Arc<AtomicBool>,
    pub(super) over_limit: Arc<AtomicBool>,
    pub(super) memory_limit: Option<u64>,
    pub(super) grace: Duration,
    pub(super) log: LogWriter,
    pub(super) record: Record,
    pub(super) _ended: DropGuard,
}

impl Waiting {
    pub(super) async fn wait(mut self) -> Exit {
        let status = self.child.wait().await;
        if self.terminating.load(Ordering::Relaxed) {
            let until = Instant::now() + self.grace;
            while Instant::now() < until && !proc::members(self.leader, None).is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        proc::kill_session(self.leader, Some(&self.marker));
        let until = Instant::now() + OUTPUT_MAX;
        for pump in &mut self.pumps {
            if tokio::time::timeout_at(until, &mut *pump).await.is_err() {
                pump.abort();
            }
        }
        drop(self.record);
        drop(self.log);
        let oom_killed = self.over_limit.load(Ordering::Relaxed);
        let limit = self.memory_limit.filter(|_| oom_killed);
        Exit {
            code: status.map_or(255, code),
            oom_killed,
            message: limit
                .map(|limit| format!("it used more memory than its limit of {limit} bytes")),
        }
    }
}

/// As container engines say it: 128 and the signal where a signal ended it.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

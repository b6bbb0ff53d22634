//! The thread that makes writes durable.
//!
//! It commits the writes queued since its last commit, in order, so that many requests share one
//! wait for the disk. A batch that cannot be written is kept and retried; it is reported as durable
//! only once it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::durable::{File, Op};

/// Pause between tries to write a batch that could not be written.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Gathered {
    ops: Vec<Op>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    gathered: Mutex<Gathered>,
    more: Condvar,
}

/// Callbacks of the writer.
pub(super) struct Report {
    /// Everything up to this version is durable.
    pub(super) reached: Box<dyn Fn(u64) + Send>,
    /// Why writing fails at present; `None` when it goes on.
    pub(super) failing: Box<dyn Fn(Option<String>) + Send>,
    /// A batch is on the disk.
    pub(super) committed: Box<dyn Fn(Commit) + Send>,
}

/// One batch that was made durable.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    pub took: Duration,
    pub writes: usize,
}

/// A handle of the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "the store's one thread: its end is reported as a failure to write"
    )]
    pub(super) fn start(mut file: File, report: Report) -> Self {
        let queue = Arc::new(Queue::default());
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || {
                let ended =
                    catch_unwind(AssertUnwindSafe(|| write_all(&mut file, &queue, &report)));
                if ended.is_err() {
                    (report.failing)(Some("the thread that writes it panicked".to_owned()));
                }
            }
        });
        Self { queue, thread: Some(thread.expect("the system can start one more thread")) }
    }

    pub(super) fn push(&self, op: Op) {
        let mut gathered = self.queue.gathered.lock();
        gathered.ops.push(op);
        // The writer sleeps only while nothing has gathered.
        if gathered.ops.len() == 1 {
            self.queue.more.notify_one();
        }
    }

    /// Closes the queue. The thread ends when it has written what is queued.
    pub(super) fn close(&mut self) -> Option<JoinHandle<()>> {
        self.queue.gathered.lock().closed = true;
        self.queue.more.notify_one();
        self.thread.take()
    }
}

fn write_all(file: &mut File, queue: &Queue, report: &Report) {
    loop {
        let (ops, closed) = {
            let mut gathered = queue.gathered.lock();
            while gathered.ops.is_empty() && !gathered.closed {
                queue.more.wait(&mut gathered);
            }
            (std::mem::take(&mut gathered.ops), gathered.closed)
        };
        if let Some(last) = ops.last() {
            let version = last.version;
            if !write_until_done(file, queue, report, &ops) {
                return;
            }
            (report.reached)(version);
        }
        if closed {
            return;
        }
    }
}

/// Whether the batch is durable; it is given up only when the store is closed.
fn write_until_done(file: &mut File, queue: &Queue, report: &Report, ops: &[Op]) -> bool {
    let mut failed = false;
    loop {
        let started = Instant::now();
        let written = catch_unwind(AssertUnwindSafe(|| file.write(ops)));
        let why = match written {
            Ok(Ok(())) => {
                (report.committed)(Commit { took: started.elapsed(), writes: ops.len() });
                if failed {
                    (report.failing)(None);
                }
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "writing it panicked".to_owned(),
        };
        failed = true;
        (report.failing)(Some(why));
        let mut gathered = queue.gathered.lock();
        // Wakes early only when the store is closed: new writes are refused meanwhile.
        queue.more.wait_while_for(&mut gathered, |gathered| !gathered.closed, RETRY_INTERVAL);
        if gathered.closed {
            drop(gathered);
            let last_try = catch_unwind(AssertUnwindSafe(|| file.write(ops)));
            if matches!(last_try, Ok(Ok(()))) {
                return true;
            }
            tracing::error!(writes = ops.len(), "closed with writes that are not durable");
            return false;
        }
    }
}

#[cfg(test)]
mod tests;

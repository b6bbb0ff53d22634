//! Background tasks: each has a kind, an owner, and a policy for its end, and none ends unnoticed.
//!
//! | policy | made by | its end before shutdown |
//! |---|---|---|
//! | vital | `vital`, `thread` | ends the platform, with a reason |
//! | restarting | `restarting` | it is started again, after a backoff |
//! | detached, attached | `detached`, `attached`, `blocking` | a panic is logged and counted |
//!
//! A ledger holds how often each kind ended and why; `/readyz`, `/metrics` and the debug page
//! `tasks` read it. Elsewhere in the workspace clippy refuses a bare spawn.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;

use super::ledger::{Entry, Ledger, Policy};
use super::panics::{Panicked, catch, catch_async};
use super::shutdown::Shutdown;

/// First pause before a restart; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A task that ran this long starts over with the first pause.
const BACKOFF_RESET: Duration = Duration::from_secs(60);

/// The tasks of one owner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    owner: &'static str,
    shutdown: Shutdown,
    ledger: Ledger,
    /// Vital and restarting tasks, for which the owner's end waits.
    services: TaskTracker,
    /// All others.
    others: TaskTracker,
}

/// Why an attached task gave no value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TaskError {
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("the task was cancelled")]
    Cancelled,
}

/// A task whose value is awaited, and which is aborted when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it aborts the task"]
pub struct Task<T>(AbortOnDropHandle<Result<T, Panicked>>);

impl<T> Task<T> {
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    pub fn abort(&self) {
        self.0.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context).map(|joined| match joined {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panicked)) => Err(TaskError::Panicked(panicked)),
            Err(_) => Err(TaskError::Cancelled),
        })
    }
}

impl Tasks {
    pub(crate) fn new(owner: &'static str, shutdown: Shutdown, ledger: Ledger) -> Self {
        Self { owner, shutdown, ledger, services: TaskTracker::new(), others: TaskTracker::new() }
    }

    /// A task without which the platform cannot work: its end before shutdown, by return or by
    /// panic, ends the platform.
    pub fn vital(&self, kind: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let entry = self.ledger.entry(self.owner, kind, Policy::Vital);
        let (ledger, shutdown, owner) = (self.ledger.clone(), self.shutdown.clone(), self.owner);
        self.spawn(&self.services, kind, async move {
            let running = entry.start();
            let ended = catch_async(task).await;
            drop(running);
            if shutdown.is_cancelled() && ended.is_ok() {
                return;
            }
            let why = entry.ended(ended.as_ref().err());
            ledger.end_platform(format!("{owner}: the task {kind:?} {why}"));
        });
    }

    /// A task that is made again, after a pause, whenever it ends before shutdown.
    pub fn restarting<F>(&self, kind: &'static str, mut make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let entry = self.ledger.entry(self.owner, kind, Policy::Restarting);
        let (shutdown, owner) = (self.shutdown.clone(), self.owner);
        self.spawn(&self.services, kind, async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let started = Instant::now();
                let running = entry.start();
                let ended = match catch(&mut make) {
                    Ok(task) => catch_async(task).await,
                    Err(panicked) => Err(panicked),
                };
                drop(running);
                if shutdown.is_cancelled() {
                    return;
                }
                if started.elapsed() >= BACKOFF_RESET {
                    pause = FIRST_PAUSE;
                }
                let why = entry.restarting(ended.as_ref().err());
                tracing::error!(owner, kind, why, ?pause, "a task ended and is started again");
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// A task of its own, such as a connection: only `finish_all` waits for it.
    pub fn detached(&self, kind: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let watched = self.watched(kind, task);
        self.spawn(&self.others, kind, watched);
    }

    /// A task whose value is awaited; aborted when its handle is dropped.
    pub fn attached<T: Send + 'static>(
        &self,
        kind: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let entry = self.ledger.entry(self.owner, kind, Policy::LetGo);
        Task(AbortOnDropHandle::new(self.spawn(&self.others, kind, entry.watch(task))))
    }

    /// Work that blocks, on a thread for such work. It is not aborted, only no longer awaited.
    pub fn blocking<T: Send + 'static>(
        &self,
        kind: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Task<T> {
        let entry = self.ledger.entry(self.owner, kind, Policy::LetGo);
        #[expect(clippy::disallowed_methods, reason = "the one place where they are started")]
        let handle = self.others.spawn_blocking(move || {
            let _running = entry.start();
            catch(work).inspect_err(|panicked| entry.panicked(panicked))
        });
        Task(AbortOnDropHandle::new(handle))
    }

    /// The future that `detached` spawns, for callers with a set of tasks of their own, such as a
    /// local one.
    pub fn watched<F: Future<Output = ()>>(
        &self,
        kind: &'static str,
        task: F,
    ) -> impl Future<Output = ()> + use<F> {
        let entry = self.ledger.entry(self.owner, kind, Policy::LetGo);
        async move {
            // Counted and logged by the entry.
            let _ended = entry.watch(task).await;
        }
    }

    /// A kind of `watched` tasks, looked up once: for those that are started often.
    #[must_use]
    pub fn kind(&self, kind: &'static str) -> TaskKind {
        TaskKind(self.ledger.entry(self.owner, kind, Policy::LetGo))
    }

    /// A thread without which the platform cannot work, like a vital task.
    pub fn thread(
        &self,
        kind: &'static str,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let entry = self.ledger.entry(self.owner, kind, Policy::Vital);
        let (ledger, shutdown, owner) = (self.ledger.clone(), self.shutdown.clone(), self.owner);
        let body = move || {
            let running = entry.start();
            let ended = catch(body);
            drop(running);
            if shutdown.is_cancelled() && ended.is_ok() {
                return;
            }
            let why = entry.ended(ended.as_ref().err());
            ledger.end_platform(format!("{owner}: the thread {kind:?} {why}"));
        };
        #[expect(clippy::disallowed_methods, reason = "the one place where threads are started")]
        std::thread::Builder::new().name(name).spawn(body)
    }

    /// Waits until the vital and restarting tasks have ended, which they do at shutdown.
    pub async fn finish(&self) {
        self.services.close();
        self.services.wait().await;
    }

    /// Waits for the detached ones too.
    pub async fn finish_all(&self) {
        self.finish().await;
        self.others.close();
        self.others.wait().await;
    }

    fn spawn<T: Send + 'static>(
        &self,
        tracker: &TaskTracker,
        kind: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let span = tracing::debug_span!("task", owner = self.owner, kind);
        #[expect(clippy::disallowed_methods, reason = "the one place where they are started")]
        tracker.spawn(task.instrument(span))
    }
}

/// Tasks of one kind that their owner drives itself.
#[derive(Clone, Debug)]
pub struct TaskKind(Entry);

impl TaskKind {
    /// `task`, counted while it runs; a panic is counted, logged and goes no further.
    pub async fn watch(&self, task: impl Future<Output = ()>) {
        // Counted and logged by the entry.
        let _ended = self.0.watch(task).await;
    }
}

#[cfg(test)]
mod tests;

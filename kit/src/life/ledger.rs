//! The ledger of tasks: which run, which ended and why, and whether the platform must end for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use super::panics::{Panicked, catch_async};

/// The consequence of a task's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Policy {
    /// The platform ends.
    Vital,
    /// The task is started again.
    Restarting,
    /// None; a panic is logged and counted.
    LetGo,
}

impl Policy {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vital => "vital",
            Self::Restarting => "restarting",
            Self::LetGo => "letGo",
        }
    }
}

/// One owner's tasks of one kind, as they are now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    pub owner: &'static str,
    pub kind: &'static str,
    pub policy: Policy,
    /// Running now.
    pub running: u64,
    /// Started since the platform did, restarts included.
    pub started: u64,
    pub restarts: u64,
    pub panics: u64,
    /// Why one last ended that should not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// It has ended and is not running again yet.
    pub down: bool,
}

#[derive(Debug)]
struct Numbers {
    policy: Policy,
    running: AtomicU64,
    started: AtomicU64,
    restarts: AtomicU64,
    panics: AtomicU64,
    failure: Mutex<Failure>,
}

#[derive(Debug, Default)]
struct Failure {
    last: Option<String>,
    /// Restarting or vital tasks of this kind that have ended and do not run again yet.
    down: u64,
}

/// One kind of an owner's tasks. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    owner: &'static str,
    kind: &'static str,
    numbers: Arc<Numbers>,
}

/// Counts a running task out when it is dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<Numbers>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entry {
    /// Counts a task in. One that was down is up again.
    pub(super) fn start(&self) -> Running {
        self.numbers.started.fetch_add(1, Ordering::Relaxed);
        self.numbers.running.fetch_add(1, Ordering::Relaxed);
        if self.numbers.policy == Policy::Restarting {
            let mut failure = self.numbers.failure.lock();
            failure.down = failure.down.saturating_sub(1);
        }
        Running(Arc::clone(&self.numbers))
    }

    /// Runs a task; a panic is logged and counted.
    pub(super) fn watch<F: Future>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<F::Output, Panicked>> + use<F> {
        let entry = self.clone();
        async move {
            let _running = entry.start();
            catch_async(task).await.inspect_err(|panicked| entry.panicked(panicked))
        }
    }

    pub(super) fn panicked(&self, panicked: &Panicked) {
        self.numbers.panics.fetch_add(1, Ordering::Relaxed);
        self.numbers.failure.lock().last = Some(panicked.to_string());
        tracing::error!(owner = self.owner, kind = self.kind, %panicked, "a task panicked");
    }

    /// A task ended that should not have; returns the reason, for messages.
    pub(super) fn ended(&self, panicked: Option<&Panicked>) -> String {
        let why = panicked.map_or_else(|| "ended".to_owned(), ToString::to_string);
        if panicked.is_some() {
            self.numbers.panics.fetch_add(1, Ordering::Relaxed);
        }
        let mut failure = self.numbers.failure.lock();
        failure.last = Some(why.clone());
        failure.down += 1;
        why
    }

    /// A task ended and will be started again.
    pub(super) fn restarting(&self, panicked: Option<&Panicked>) -> String {
        self.numbers.restarts.fetch_add(1, Ordering::Relaxed);
        self.ended(panicked)
    }
}

type Rows = BTreeMap<(&'static str, &'static str), Arc<Numbers>>;

/// All tasks of the process, by owner and kind. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    rows: Arc<Mutex<Rows>>,
    end: watch::Sender<Option<String>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { rows: Arc::default(), end: watch::Sender::new(None) }
    }
}

impl Ledger {
    pub(super) fn entry(&self, owner: &'static str, kind: &'static str, policy: Policy) -> Entry {
        let mut rows = self.rows.lock();
        let numbers = rows.entry((owner, kind)).or_insert_with(|| {
            Arc::new(Numbers {
                policy,
                running: AtomicU64::new(0),
                started: AtomicU64::new(0),
                restarts: AtomicU64::new(0),
                panics: AtomicU64::new(0),
                failure: Mutex::default(),
            })
        });
        Entry { owner, kind, numbers: Arc::clone(numbers) }
    }

    /// Ends the platform for this reason; the first one stands.
    pub(super) fn end_platform(&self, reason: String) {
        tracing::error!(reason, "the platform ends");
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(reason);
            }
            first
        });
    }

    /// Waits until the platform must end; returns why.
    pub async fn must_end(&self) -> String {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives as long as `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Why the platform must end, if it must.
    #[must_use]
    pub fn ends_because(&self) -> Option<String> {
        self.end.borrow().clone()
    }

    /// All kinds of tasks, by owner.
    #[must_use]
    pub fn report(&self) -> Vec<TaskReport> {
        let rows = self.rows.lock();
        rows.iter()
            .map(|(&(owner, kind), numbers)| {
                let failure = numbers.failure.lock();
                TaskReport {
                    owner,
                    kind,
                    policy: numbers.policy,
                    running: numbers.running.load(Ordering::Relaxed),
                    started: numbers.started.load(Ordering::Relaxed),
                    restarts: numbers.restarts.load(Ordering::Relaxed),
                    panics: numbers.panics.load(Ordering::Relaxed),
                    last_failure: failure.last.clone(),
                    down: failure.down > 0,
                }
            })
            .collect()
    }
}

//! The memory limits of containers without cgroups: resident memory is watched, and a container
//! with too much is killed.
//!
//! One task watches all of them, and finds their processes by one reading of `/proc`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runtime::proc;

/// A container is checked rarely far from its limit, and often near it.
const FAR: Duration = Duration::from_millis(200);
const NEAR: Duration = Duration::from_millis(20);
/// Looking for new processes reads all of `/proc`, so not every time.
const PROCESSES_EVERY: Duration = Duration::from_secs(2);

/// The containers that have a limit.
#[derive(Default)]
pub(super) struct Limits {
    watched: Mutex<BTreeMap<u64, Watched>>,
    next: AtomicU64,
    added: Notify,
}

struct Watched {
    leader: u32,
    limit: u64,
    due: Instant,
    over: Arc<AtomicBool>,
}

/// One container's limit, watched until this is dropped.
pub(super) struct Watch {
    limits: Arc<Limits>,
    key: u64,
    over: Arc<AtomicBool>,
}

impl Watch {
    /// Whether the container was killed for its memory.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.limits.watched.lock().remove(&self.key);
    }
}

impl Limits {
    /// Kills the session of `leader` when it holds more than `limit` bytes.
    pub(super) fn watch(self: &Arc<Self>, leader: u32, limit: u64) -> Watch {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let over = Arc::<AtomicBool>::default();
        let watched = Watched { leader, limit, due: Instant::now(), over: Arc::clone(&over) };
        self.watched.lock().insert(key, watched);
        self.added.notify_one();
        Watch { limits: Arc::clone(self), key, over }
    }

    /// Watches; never ends.
    pub(super) async fn run(&self) {
        let mut processes = Processes::default();
        loop {
            let due = self.watched.lock().values().map(|watched| watched.due).min();
            match due {
                None => self.added.notified().await,
                Some(due) => {
                    tokio::select! {
                        biased; // one that was just added is due at once
                        () = self.added.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
            self.look(&mut processes, Instant::now());
        }
    }

    /// Checks the containers that are due.
    fn look(&self, processes: &mut Processes, now: Instant) {
        let mut watched = self.watched.lock();
        if watched.is_empty() {
            return;
        }
        processes.refresh(now, || watched.values().map(|watched| watched.leader).collect());
        for watched in watched.values_mut().filter(|watched| watched.due <= now) {
            let used = proc::resident(processes.of(watched.leader));
            let near = used > watched.limit / 2;
            watched.due = now + if near { NEAR } else { FAR };
            if used > watched.limit {
                watched.over.store(true, Ordering::Relaxed);
                proc::kill_session(watched.leader, None);
            }
        }
    }
}

/// The processes of sessions, as they were found last.
#[derive(Default)]
struct Processes {
    read: Option<Instant>,
    of: HashMap<u32, Vec<u32>>,
}

impl Processes {
    fn refresh(&mut self, now: Instant, leaders: impl FnOnce() -> Vec<u32>) {
        if self.read.is_some_and(|read| now < read + PROCESSES_EVERY) {
            return;
        }
        self.read = Some(now);
        let table = proc::Table::read();
        let of = |leader: u32| table.session(leader).map(|stat| stat.pid).collect();
        self.of = leaders().into_iter().map(|leader| (leader, of(leader))).collect();
    }

    /// A session that began after the last reading has only its leader.
    fn of(&self, leader: u32) -> impl Iterator<Item = u32> {
        let others = self.of.get(&leader).into_iter().flatten().copied();
        others.filter(move |pid| *pid != leader).chain([leader])
    }
}

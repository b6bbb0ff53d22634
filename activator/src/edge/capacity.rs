//! Bounds on client connections, so that file descriptors are left for connections to pods and for
//! the rest of the process.
//!
//! A client's request needs a second descriptor, of a connection to a pod. So accepting stops first;
//! clients wait in the kernel's backlog meanwhile, and each answer closes its connection, so that
//! the waiting clients get a turn. Then dialling stops; requests are refused. The remaining
//! descriptors are for the API and whatever else the process opens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Descriptors that are not for clients: a quarter, within these bounds.
const RESERVE_MIN: u64 = 64;
const RESERVE_MAX: u64 = 1024;
/// A shortage is over once no bound was reached for this long.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// Bounds derived from the limit of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Connections of clients.
    pub(crate) clients: usize,
    /// Open files at which accepting stops.
    pub(crate) accept: u64,
    /// Open files at which dialling stops.
    pub(crate) dial: u64,
}

impl Bounds {
    /// For a process that may have `limit` files open.
    pub(crate) fn of(limit: u64) -> Self {
        let reserve = (limit / 4).clamp(RESERVE_MIN, RESERVE_MAX).min(limit);
        let clients = usize::try_from((limit - reserve) / 2).unwrap_or(usize::MAX).max(1);
        Self { clients, accept: limit - reserve / 2, dial: limit - reserve / 4 }
    }
}

/// The state of all data threads against the bounds.
#[derive(Debug)]
pub(crate) struct Capacity {
    pub(crate) bounds: Bounds,
    short: AtomicBool,
    /// When a bound was reached last.
    reached: Mutex<Instant>,
}

impl Capacity {
    pub(crate) fn new(limit: u64, now: Instant) -> Self {
        let (bounds, reached) = (Bounds::of(limit), Mutex::new(now));
        Self { bounds, short: AtomicBool::new(false), reached }
    }

    /// Whether descriptors are short, and so connections are to be given up after each answer.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// A bound is reached; `consequence` is its effect on clients. Logged once per shortage; true
    /// if it was logged now.
    pub(crate) fn reached(&self, consequence: &str, now: Instant) -> bool {
        *self.reached.lock() = now;
        let news = !self.short.swap(true, Ordering::Relaxed);
        if news {
            let limit = rouse_kit::files::limit();
            tracing::warn!(limit, "open files are short: {consequence}; raise `ulimit -n`");
        }
        news
    }

    /// A client was accepted; true if that ends a shortage, because no bound was reached for a
    /// while.
    pub(crate) fn accepted(&self, now: Instant) -> bool {
        if !self.is_short() || now.saturating_duration_since(*self.reached.lock()) < OVER_AFTER {
            return false;
        }
        let over = self.short.swap(false, Ordering::Relaxed);
        if over {
            tracing::info!("there are enough open files again");
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_their_pods_and_the_rest_fit_into_the_limit() {
        let bounds = |clients, accept, dial| Bounds { clients, accept, dial };
        assert_eq!(Bounds::of(256), bounds(96, 224, 240));
        assert_eq!(Bounds::of(1024), bounds(384, 896, 960));
        assert_eq!(Bounds::of(1 << 20), bounds(523_776, 1_048_064, 1_048_320));
        assert_eq!(Bounds::of(8), bounds(1, 4, 6));
        assert_eq!(Bounds::of(u64::MAX).accept, u64::MAX - 512);
        for limit in 0..5000 {
            let bounds = Bounds::of(limit);
            assert!(bounds.accept <= bounds.dial && bounds.dial <= limit, "{bounds:?}");
        }
    }

    #[test]
    fn a_shortage_is_news_once_until_it_has_been_over_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let capacity = Capacity::new(256, start);
        assert!(!capacity.accepted(at(60)), "there was none");
        assert!(capacity.reached("clients wait", at(60)));
        assert!(!capacity.reached("clients wait", at(65)));
        assert!(!capacity.accepted(at(74)) && capacity.is_short());
        assert!(capacity.accepted(at(75)) && !capacity.is_short());
        assert!(!capacity.accepted(at(76)), "told once");
        assert!(capacity.reached("clients wait", at(77)));
    }
}

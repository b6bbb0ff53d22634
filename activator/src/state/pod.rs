//! A pod at one address, and the count of the requests in it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A pod at one address, as requests see it.
#[derive(Debug)]
pub(crate) struct Pod {
    /// Never reused, so that a connection can never be taken for another pod's.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) born: Born,
    /// When it first could be used.
    pub(crate) usable_since: OnceLock<Instant>,
    /// Set by the first request that waited since before the pod existed.
    awaited: AtomicBool,
    /// Changed under the home's lock only; read anywhere.
    in_flight: AtomicU32,
    /// When the first request came into the empty pod, in nanoseconds since it was first seen. Used under
    /// the home's lock only.
    busy_since: AtomicU64,
    /// Out of the rotation for good; its idle connections are to be closed.
    gone: AtomicBool,
    /// The last request left it after it was gone.
    emptied: Notify,
}

/// The moments that split a cold start into its phases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Born {
    /// The object was first seen.
    pub(crate) seen: Instant,
    /// It had a node.
    pub(crate) bound: Instant,
    /// It had an address.
    pub(crate) addressed: Instant,
}

impl Pod {
    pub(crate) fn new(name: String, address: SocketAddr, born: Born) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name,
            address,
            born,
            usable_since: OnceLock::new(),
            awaited: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            busy_since: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            emptied: Notify::new(),
        }
    }

    /// Whether this is the first request that waited since before the pod existed.
    pub(crate) fn first_awaited(&self) -> bool {
        !self.awaited.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request in; true if the pod was empty. For `home.rs`, under its lock.
    pub(crate) fn enter(&self, now: Instant) -> bool {
        let first = self.in_flight.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            self.busy_since.store(self.age(now), Ordering::Relaxed);
        }
        first
    }

    /// Counts a request out; if it was the last, how long the pod was busy. For `home.rs`, under its
    /// lock.
    pub(crate) fn leave(&self, now: Instant) -> Option<Duration> {
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) > 1 {
            return None;
        }
        if self.is_gone() {
            self.emptied.notify_waiters();
        }
        let busy = self.age(now).saturating_sub(self.busy_since.load(Ordering::Relaxed));
        Some(Duration::from_nanos(busy))
    }

    /// Nanoseconds since it was first seen.
    fn age(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born.seen).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns once no request is in a pod that gets no new ones.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            tokio::pin!(notified);
            // Before the count is read, so that the last to leave is not missed.
            notified.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            notified.await;
        }
    }

    pub(crate) fn retire(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        let now = Instant::now();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        Self::new(name.to_owned(), nowhere, Born { seen: now, bound: now, addressed: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_pod_that_is_gone_is_empty_once_its_last_request_left() {
        let pod = Pod::named("p");
        let at = |millis| pod.born.seen + Duration::from_millis(millis);
        assert!(!pod.is_gone());
        assert_eq!(pod.emptied().now_or_never(), Some(()), "nothing is in it");
        assert!(pod.enter(at(10)));
        assert!(!pod.enter(at(15)));
        pod.retire();
        assert!(pod.is_gone());
        let mut emptied = std::pin::pin!(pod.emptied());
        assert_eq!(emptied.as_mut().now_or_never(), None);
        assert_eq!(pod.leave(at(20)), None);
        assert_eq!(emptied.as_mut().now_or_never(), None);
        assert_eq!(pod.leave(at(40)), Some(Duration::from_millis(30)));
        assert_eq!(emptied.now_or_never(), Some(()));
    }
}

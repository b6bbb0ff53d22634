//! A pod at one address, and the count of the requests in it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

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

    /// Counts a request in. For `home.rs`, under its lock.
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request out and says how many are left. For `home.rs`, under its lock.
    pub(crate) fn leave(&self) -> u32 {
        let left = self.in_flight.fetch_sub(1, Ordering::Relaxed) - 1;
        if left == 0 && self.is_gone() {
            self.emptied.notify_waiters();
        }
        left
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
        assert!(!pod.is_gone());
        assert_eq!(pod.emptied().now_or_never(), Some(()), "nothing is in it");
        pod.enter();
        pod.enter();
        pod.retire();
        assert!(pod.is_gone());
        let mut emptied = std::pin::pin!(pod.emptied());
        assert_eq!(emptied.as_mut().now_or_never(), None);
        assert_eq!(pod.leave(), 1);
        assert_eq!(emptied.as_mut().now_or_never(), None);
        assert_eq!(pod.leave(), 0);
        assert_eq!(emptied.now_or_never(), Some(()));
    }
}

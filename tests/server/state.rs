//! The state that the paths of the server read and change.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct State {
    pub(crate) now: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    pub(crate) failing: AtomicBool,
    pub(crate) dropped: AtomicUsize,
    pub(crate) gone: AtomicUsize,
    /// The user agent of the last request for `/ready`.
    pub(crate) prober: Mutex<String>,
    pub(crate) started: Instant,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            now: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            dropped: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            prober: Mutex::default(),
            started: Instant::now(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        let after = Duration::from_millis(number("READY_MS").unwrap_or(0));
        !self.failing.load(Ordering::SeqCst) && self.started.elapsed() >= after
    }
}

/// The number of a variable of the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

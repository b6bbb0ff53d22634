//! Time, passed in: wall time for what is written down, tokio's instant for what is measured.
//!
//! `tokio::time` can be paused and moved by a test; the wall clock follows it, so that both agree.

use jiff::Timestamp;
use tokio::time::Instant;

/// A wall clock that advances with tokio's clock from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: Timestamp,
}

impl Clock {
    /// Starts at the system's wall time.
    #[must_use]
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// Starts at `wall`, for tests and replays.
    #[must_use]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { started: Instant::now(), wall }
    }

    /// The monotonic time.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// The wall time of an instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.started);
        self.wall.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(self.instant())
    }
}

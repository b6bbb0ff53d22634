//! Time, passed in: wall time for what is written down, steady time for spans and deadlines.
//!
//! The system's wall time is set by people and time servers, and goes on while the machine is suspended; tokio's
//! instants do neither. `tokio::time` can be paused and moved by a test, and a clock that starts at a given time
//! follows it in wall and steady time.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Wall time, and steady time, which is never set.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: Timestamp,
    source: Source,
}

/// Where the wall time comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The system's clock, read each time.
    System,
    /// The start, plus the time since.
    Start,
}

/// One moment in wall and steady time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For what is written down, and for comparisons with times that were written down.
    pub wall: Timestamp,
    /// For spans and deadlines. It was the wall time when the clock started, and goes on evenly from there; it is
    /// never written down.
    pub steady: Timestamp,
}

impl From<Timestamp> for Moment {
    /// Wall and steady time alike, as at a clock's start.
    fn from(time: Timestamp) -> Self {
        Self { wall: time, steady: time }
    }
}

impl Clock {
    /// Reads the system's wall time anew each time.
    #[must_use]
    pub fn system() -> Self {
        Self { source: Source::System, ..Self::of_tokio() }
    }

    /// Starts at the system's wall time and goes on with tokio's, for tests that pause it.
    #[must_use]
    pub fn of_tokio() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// Starts at `wall` and goes on with tokio's time, for tests and replays.
    #[must_use]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { started: Instant::now(), wall, source: Source::Start }
    }

    /// The monotonic time.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// The wall time of an instant that is not long ago.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Timestamp {
        match self.source {
            Source::System => {
                let ago =
                    SignedDuration::try_from(instant.elapsed()).unwrap_or(SignedDuration::MAX);
                Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::MIN)
            }
            Source::Start => self.steady_at(instant),
        }
    }

    /// The wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.source {
            Source::System => Timestamp::now(),
            Source::Start => self.steady(),
        }
    }

    /// The steady time; see [`Moment::steady`].
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        self.steady_at(self.instant())
    }

    /// This moment in wall and steady time.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment { wall: self.now(), steady: self.steady() }
    }

    fn steady_at(&self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.started);
        self.wall.checked_add(since).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_with_a_start_follows_tokio_in_wall_and_steady_time() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (before, instant) = (clock.moment(), clock.instant());
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(before, Moment::from(Timestamp::UNIX_EPOCH));
        assert_eq!(clock.moment(), Moment::from(Timestamp::from_second(90).unwrap()));
        assert_eq!(clock.at(instant), Timestamp::UNIX_EPOCH);
    }

    /// The two clocks of a machine diverge when its wall time is set or when it was suspended; here tokio's is moved.
    #[tokio::test(start_paused = true)]
    async fn the_systems_wall_time_is_read_anew_however_far_steady_time_went() {
        let clock = Clock::system();
        tokio::time::advance(Duration::from_secs(24 * 3600)).await;
        let (system, Moment { wall, steady }) = (Timestamp::now(), clock.moment());
        assert!(wall.duration_since(system).abs() < SignedDuration::from_hours(1), "{wall}");
        assert!(steady.duration_since(system) > SignedDuration::from_hours(23), "{steady}");
        let shown = clock.at(clock.instant() - Duration::from_secs(7200)).duration_since(system);
        assert!(shown < -SignedDuration::from_mins(119), "{shown}");
    }
}

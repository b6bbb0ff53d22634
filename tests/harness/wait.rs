//! Waiting for something to become true, with a limit and a reason.

use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Calls `look` every 10 ms until it finds something; the error says what was last seen.
pub fn until<T>(
    what: &str,
    limit: Duration,
    look: impl FnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    until_every(Duration::from_millis(10), what, limit, look)
}

/// The same, every `pause`.
pub fn until_every<T>(
    pause: Duration,
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if started.elapsed() > limit => {
                anyhow::bail!("{what} did not happen within {limit:?}; last seen: {seen}")
            }
            Err(_) => std::thread::sleep(pause),
        }
    }
}

/// Looks for so long, and fails at the first look that does: for what may never happen meanwhile.
pub fn holds(
    what: &str,
    length: Duration,
    mut look: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < length {
        look().with_context(|| format!("{what} ended after {:?}", started.elapsed()))?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A pause that is a part of a load, such as a client's between attempts: not a wait for something.
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

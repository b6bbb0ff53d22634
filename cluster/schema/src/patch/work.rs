//! The work that one patch may cause, counted in values that are compared, moved or looked at.

use std::cell::Cell;

use super::error::Error;

/// Most steps of one patch; some tenths of a second.
const STEPS: u64 = 20_000_000;

/// The steps that a patch has left.
pub(super) struct Work(Cell<u64>);

impl Work {
    pub(super) fn new() -> Self {
        Self(Cell::new(STEPS))
    }

    /// Takes `steps` off what is left, before they are made.
    pub(super) fn spend(&self, steps: usize) -> Result<(), Error> {
        let left = self.0.get().checked_sub(u64::try_from(steps).unwrap_or(u64::MAX));
        self.0.set(left.ok_or(Error::TooMuchWork { limit: STEPS })?);
        Ok(())
    }

    /// The same for every item of one list beside every item of another.
    pub(super) fn spend_pairs(&self, one: usize, other: usize) -> Result<(), Error> {
        self.spend(one.saturating_mul(other))
    }
}

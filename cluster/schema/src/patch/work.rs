//! The work that one patch may cause, counted in values that are compared, moved or looked at.

use std::cell::Cell;

use super::error::Error;

/// The maximum number of steps of one patch: some tenths of a second.
const STEPS: u64 = 20_000_000;

/// The steps that a patch has left.
pub(super) struct Work(Cell<u64>);

impl Work {
    pub(super) fn new() -> Self {
        Self(Cell::new(STEPS))
    }

    /// Spends `steps` before they are done; an error if fewer are left.
    pub(super) fn spend(&self, steps: usize) -> Result<(), Error> {
        let left = self.0.get().checked_sub(u64::try_from(steps).unwrap_or(u64::MAX));
        self.0.set(left.ok_or(Error::TooMuchWork { limit: STEPS })?);
        Ok(())
    }

    /// Spends a step for each pair of items of two lists.
    pub(super) fn spend_pairs(&self, one: usize, other: usize) -> Result<(), Error> {
        self.spend(one.saturating_mul(other))
    }
}

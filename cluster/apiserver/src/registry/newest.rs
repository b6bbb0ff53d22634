//! Changes that are made to the newest version of an object, whoever else writes it.

use std::sync::Arc;

use super::Registry;
use super::change::{Target, Written};
use crate::status::Failure;
use crate::store::Object;

/// How often a change is tried on a newer object before its writer hears of the conflict. Upstream
/// tries a patch five times, and everything else without end.
const TRIES: usize = 32;

impl Registry {
    /// Makes a change to an object as it stands. A conflict within the inner result means that the
    /// object changed meanwhile: it is read again and the change made anew. Everything else is final,
    /// as is a failure of the outer result.
    pub(super) fn on_newest(
        &self,
        target: Target<'_>,
        mut change: impl FnMut(&Arc<Object>) -> Result<Result<Written, Failure>, Failure>,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, name } = target;
        for _ in 0..TRIES {
            let current = self.get(resource, namespace, name)?;
            match change(&current)? {
                Err(failure) if failure.is_conflict() => {}
                other => return other,
            }
        }
        Err(Failure::changed(resource, name))
    }
}

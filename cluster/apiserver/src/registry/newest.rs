//! Applies a change to the newest version of an object, again after a conflict.

use std::sync::Arc;

use super::Registry;
use super::change::{Target, Written};
use crate::status::Failure;
use crate::store::Object;

/// Attempts to apply a change before the client gets the conflict. Upstream tries a patch five
/// times, and everything else without end.
const TRIES: usize = 32;

impl Registry {
    /// Applies a change to the current object. A conflict in the inner result means that the object
    /// changed meanwhile: it is read again and the change repeated. Everything else is final, as is a
    /// failure of the outer result.
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

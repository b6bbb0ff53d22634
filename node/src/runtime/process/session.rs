//! A session of processes that ends with its owner.

use crate::runtime::proc;

/// A session that ends with its owner.
#[derive(Debug)]
pub(super) struct Owned(Option<u32>);

impl Owned {
    pub(super) fn new(leader: u32) -> Self {
        Self(Some(leader))
    }

    /// Ends its remaining processes, and those that left it but carry this marker.
    pub(super) fn end(&mut self, marker: Option<&str>) {
        if let Some(leader) = self.0.take() {
            proc::kill_session(leader, marker);
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.end(None);
    }
}

//! All revisions that a Route, a Pod or a Revision object names.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rouse_k8s::ObjectKey;

use crate::admission::report::ReportSignal;
use crate::admission::revision::Revision;

/// Revisions by key; a key has one for as long as anything holds it.
#[derive(Debug)]
pub(crate) struct Registry {
    revisions: Mutex<HashMap<ObjectKey, Arc<Revision>>>,
    signal: Arc<ReportSignal>,
    threads: usize,
}

impl Registry {
    /// `threads` is how many data threads there are.
    pub(crate) fn new(signal: Arc<ReportSignal>, threads: usize) -> Self {
        Self { revisions: Mutex::default(), signal, threads }
    }

    pub(crate) fn get(&self, key: ObjectKey) -> Arc<Revision> {
        let mut revisions = self.revisions.lock();
        let made = || Arc::new(Revision::new(key.clone(), Arc::clone(&self.signal), self.threads));
        Arc::clone(revisions.entry(key.clone()).or_insert_with(made))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Revision>> {
        self.revisions.lock().values().map(Arc::clone).collect()
    }

    /// Drops revisions whose object is gone and that nothing else holds.
    pub(crate) fn prune(&self) {
        self.revisions
            .lock()
            .retain(|_, held| held.settings.load().is_some() || Arc::strong_count(held) > 1);
    }
}

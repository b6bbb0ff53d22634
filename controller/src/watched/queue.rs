//! A reconciler's work queue.
//!
//! A queue holds keys, not states: a key that waits already is not added twice by the scheduler
//! behind it, and a reconciler that is woken reads the local copies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::Mutex;
use rouse_k8s::ObjectKey;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::queue_metrics::QueueMetrics;
use crate::objects::meta::key;

/// Keys that wait between a watch and the scheduler, which takes them out at once.
const QUEUE: usize = 1024;

/// One reconciler's queue.
pub(crate) struct Queue<K: Resource<DynamicType = ()> + 'static> {
    sender: mpsc::Sender<ReconcileRequest<K>>,
    /// Since when a key has waited for its pass to begin.
    waiting: Arc<Mutex<HashMap<ObjectKey, Instant>>>,
    metrics: QueueMetrics,
}

impl<K: Resource<DynamicType = ()> + 'static> Clone for Queue<K> {
    fn clone(&self) -> Self {
        let (waiting, metrics) = (Arc::clone(&self.waiting), self.metrics.clone());
        Self { sender: self.sender.clone(), waiting, metrics }
    }
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Queue<K> {
    pub(crate) fn new(metrics: QueueMetrics) -> (Self, mpsc::Receiver<ReconcileRequest<K>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender, waiting: Arc::default(), metrics }, receiver)
    }

    /// Wakes the reconciler for one object, waiting while the queue is full.
    pub(crate) async fn wake(&self, namespace: &str, name: &str) {
        {
            let mut waiting = self.waiting.lock();
            waiting.entry(ObjectKey::new(namespace, name)).or_insert_with(Instant::now);
            self.metrics.added(waiting.len());
        }
        let object = ObjectRef::<K>::new(name).within(namespace);
        // Closed only at shutdown, when no reconciler needs to be woken.
        let _ = self.sender.send(ReconcileRequest::from(object)).await;
    }

    pub(crate) async fn wake_all(&self, store: &Store<K>) {
        for object in store.state() {
            let ObjectKey { namespace, name } = key(&*object);
            self.wake(&namespace, &name).await;
        }
    }

    /// Records the duration of a pass.
    pub(crate) fn worked(&self, time: Duration) {
        self.metrics.worked(time);
    }

    /// Counts a retry after a failure.
    pub(crate) fn retried(&self) {
        self.metrics.retried();
    }

    /// A pass over this object begins, or the object is gone: later changes wait for the next pass.
    pub(crate) fn taken(&self, key: &ObjectKey) {
        let mut waiting = self.waiting.lock();
        let since = waiting.remove(key);
        self.metrics.taken(waiting.len(), since.map(|since| since.elapsed()));
    }
}

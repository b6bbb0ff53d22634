//! State that the directory publishes and the data threads read, and their reports to it of pods that
//! could not be reached.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rouse_k8s::ObjectKey;
use rustls::sign::CertifiedKey;
use tokio::sync::{Notify, watch};

use crate::admission::revision::{Revision, Slot};
use crate::control::issuers::Issuers;
use crate::state::keys::RouteKey;
use crate::state::pod::Pod;
use crate::state::readiness::Stage;
use crate::state::routes::RouteTable;

/// Which objects the published tables include.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) complete: bool,
    pub(crate) versions: HashMap<RouteKey, i64>,
}

/// A pod as the directory sees it.
#[derive(Debug)]
pub(crate) struct PodState {
    pub(crate) revision: ObjectKey,
    pub(crate) stage: Stage,
    /// Once it has an address.
    pub(crate) pod: Option<Arc<Pod>>,
}

/// State shared by the directory and the data threads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<RouteTable<Arc<Revision>>>,
    /// The certificates of Secrets.
    pub(crate) certificates: ArcSwap<HashMap<ObjectKey, Arc<CertifiedKey>>>,
    /// The keys that callers' tokens are verified with.
    pub(crate) issuers: Issuers,
    pub(crate) progress: watch::Sender<Progress>,
    /// All known pods, for the debug pages.
    pub(crate) pods: Mutex<BTreeMap<ObjectKey, PodState>>,
    /// Pods that a request could not reach; each is here once, since it left the rotation.
    suspects: Mutex<Vec<Arc<Pod>>>,
    suspicion: Notify,
    /// Counts pods that left, so that threads close their connections to them.
    left: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(issuers: Issuers) -> Self {
        Self {
            table: ArcSwap::default(),
            certificates: ArcSwap::default(),
            issuers,
            progress: watch::Sender::new(Progress::default()),
            pods: Mutex::default(),
            suspects: Mutex::default(),
            suspicion: Notify::new(),
            left: watch::Sender::new(0),
        }
    }

    pub(crate) fn left(&self) -> watch::Receiver<u64> {
        self.left.subscribe()
    }

    /// Returns once the tables hold all that existed at the start.
    pub(crate) async fn ready(&self) {
        let mut progress = self.progress.subscribe();
        // An error means that the sender is gone, which `self` holds.
        let _ = progress.wait_for(|progress| progress.complete).await;
    }

    /// The pods that became suspects since the last call.
    pub(crate) fn take_suspects(&self) -> Vec<Arc<Pod>> {
        std::mem::take(&mut *self.suspects.lock())
    }

    /// Returns when there are new suspects.
    pub(crate) async fn suspicion(&self) {
        self.suspicion.notified().await;
    }

    /// Tells the data threads that a pod left.
    pub(crate) fn pod_left(&self) {
        self.left.send_modify(|count| *count += 1);
    }

    /// Takes a pod out of the rotation because it could not be reached.
    pub(crate) fn suspect(&self, slot: &Slot) {
        if slot.revision.suspect(&slot.pod) {
            self.suspects.lock().push(Arc::clone(&slot.pod));
            self.suspicion.notify_one();
        }
    }
}

//! The pods bound to this node, mirrored from the API; each has a worker of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::watcher;
use rouse_k8s::object;
use rouse_kit::Shutdown;
use rouse_kit::mirror::{Change, Mirror};
use tokio::sync::watch;

use crate::worker::{Seen, Shared, supervise};

/// Time for all pods to end when the platform ends; their grace is 5 s then.
const HALT_MAX: Duration = Duration::from_secs(8);

/// Old logs are cleaned up once per this many ended pods, since that reads a directory.
const FORGET_EVERY: usize = 25;

/// All pods of this node.
pub(super) fn mirror(shared: &Shared) -> Mirror<Pod> {
    let pods: Api<Pod> = Api::all(shared.client.clone());
    let mine = format!("spec.nodeName={}", shared.config.node_name);
    Mirror::new(pods, watcher::Config::default().fields(&mine))
}

/// Follows the pods until `shutdown`, and then ends them.
pub(super) async fn run(shared: Arc<Shared>, mut mirror: Mirror<Pod>, shutdown: Shutdown) {
    let mut pods =
        Pods { shared, seen: HashMap::new(), workers: FuturesUnordered::new(), gone_count: 0 };
    loop {
        tokio::select! {
            biased; // shutdown first; then changes, which must not wait for ended workers
            () = shutdown.cancelled() => break,
            change = mirror.next() => pods.on(change),
            Some(uid) = pods.workers.next() => pods.ended(&uid),
        }
    }
    pods.halt().await;
}

struct Pods {
    shared: Arc<Shared>,
    /// By uid.
    seen: HashMap<String, watch::Sender<Seen>>,
    /// Each yields its pod's uid when it ends.
    workers: FuturesUnordered<BoxFuture<'static, String>>,
    gone_count: usize,
}

impl Pods {
    fn on(&mut self, change: Change<Pod>) {
        match change {
            Change::Added { new, .. } | Change::Changed { new, .. } => self.apply(new),
            Change::Gone { old, .. } => {
                if let Some(seen) = self.seen.get(object::uid(&old.metadata)) {
                    seen.send_modify(|seen| seen.gone = true);
                }
            }
            Change::InSync => {}
        }
    }

    fn apply(&mut self, pod: Arc<Pod>) {
        let uid = object::uid(&pod.metadata).to_owned();
        let now = Seen { pod, gone: false };
        if let Some(seen) = self.seen.get(&uid) {
            seen.send_replace(now);
            return;
        }
        let (sender, seen) = watch::channel(now);
        self.seen.insert(uid.clone(), sender);
        let worker = supervise(Arc::clone(&self.shared), seen);
        self.workers.push(Box::pin(async move {
            worker.await;
            uid
        }));
    }

    fn ended(&mut self, uid: &str) {
        self.seen.remove(uid);
        self.gone_count += 1;
        if self.gone_count.is_multiple_of(FORGET_EVERY) {
            self.shared.logs.forget_old(|uid| self.seen.contains_key(uid));
        }
    }

    async fn halt(mut self) {
        self.shared.halting.cancel();
        let ended = async { while self.workers.next().await.is_some() {} };
        if tokio::time::timeout(HALT_MAX, ended).await.is_err() {
            tracing::warn!("some pods did not end in time; they are killed with the platform");
        }
    }
}

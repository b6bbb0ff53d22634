//! The pods bound to this node, by a watch; each has a worker of its own.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use rouse_kit::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::known::Known;
use super::register;
use crate::worker::{self, Seen, Shared};

/// How long the pods' ends are waited for when the platform ends; their grace is 5 s then.
const HALT_MAX: Duration = Duration::from_secs(8);

/// Old logs are looked for after so many pods have gone: it reads a directory.
const FORGET_EVERY: usize = 25;

/// Runs the node until `shutdown`, and then ends its pods.
pub(crate) async fn run(shared: Arc<Shared>, known: Known, shutdown: Shutdown) {
    match shared.runtime.end_survivors().await {
        Ok(0) => {}
        Ok(ended) => tracing::info!(ended, "ended what an earlier run had left"),
        Err(error) => tracing::warn!(%error, "cannot end what an earlier run may have left"),
    }
    let mut registered = tokio::spawn(register::keep(Arc::clone(&shared), shutdown.clone()));
    let pods: Api<Pod> = Api::all(shared.client.clone());
    let mine =
        watcher::Config::default().fields(&format!("spec.nodeName={}", shared.config.node_name));
    let mut events = watcher(pods, mine).default_backoff().boxed();
    let mut agent = Agent {
        shared,
        known,
        pods: HashMap::new(),
        workers: JoinSet::new(),
        listed: BTreeSet::new(),
        gone_count: 0,
    };
    loop {
        tokio::select! {
            biased; // the end first; then pods, which must not wait for the dead
            () = shutdown.cancelled() => break,
            event = events.next() => match event {
                Some(Ok(event)) => agent.on(event),
                Some(Err(error)) => tracing::warn!(%error, "the watch of pods failed; trying again"),
                None => break,
            },
            Some(done) = agent.workers.join_next() => agent.ended(done),
        }
    }
    agent.halt().await;
    // It ends with the same shutdown.
    let _ = (&mut registered).await;
}

struct Agent {
    shared: Arc<Shared>,
    known: Known,
    pods: HashMap<String, watch::Sender<Seen>>,
    workers: JoinSet<String>,
    /// The pods of a list that is under way; all others are gone when it is done.
    listed: BTreeSet<String>,
    gone_count: usize,
}

impl Agent {
    fn on(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.metadata.uid.clone());
                self.apply(pod);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<String> =
                    self.pods.keys().filter(|uid| !listed.contains(*uid)).cloned().collect();
                for uid in gone {
                    self.gone(&uid);
                }
            }
            Event::Apply(pod) => self.apply(pod),
            Event::Delete(pod) => self.gone(pod.metadata.uid.as_deref().unwrap_or_default()),
        }
    }

    fn apply(&mut self, pod: Pod) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        let pod = Arc::new(pod);
        self.known.lock().insert(uid.clone(), Arc::clone(&pod));
        let seen = Seen { pod, gone: false };
        if let Some(worker) = self.pods.get(&uid) {
            worker.send_replace(seen);
            return;
        }
        let (sender, receiver) = watch::channel(seen);
        self.pods.insert(uid.clone(), sender);
        let shared = Arc::clone(&self.shared);
        let halt = self.shared.halting.clone();
        self.workers.spawn(async move {
            worker::run(shared, receiver, halt).await;
            uid
        });
    }

    fn gone(&mut self, uid: &str) {
        self.known.lock().remove(uid);
        if let Some(worker) = self.pods.get(uid) {
            worker.send_modify(|seen| seen.gone = true);
        }
    }

    fn ended(&mut self, done: Result<String, tokio::task::JoinError>) {
        match done {
            Ok(uid) => {
                self.pods.remove(&uid);
                self.gone_count += 1;
                if self.gone_count.is_multiple_of(FORGET_EVERY) {
                    self.shared.logs.forget_old(|uid| self.pods.contains_key(uid));
                }
            }
            Err(error) => tracing::error!(%error, "the task of a pod failed"),
        }
    }

    async fn halt(mut self) {
        self.shared.halting.cancel();
        let ended = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(HALT_MAX, ended).await.is_err() {
            tracing::warn!("some pods did not end in time; they are killed with the platform");
        }
    }
}

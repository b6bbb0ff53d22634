//! The class hpa: a HorizontalPodAutoscaler for each PodAutoscaler of that class, and its status
//! copied back. Kubernetes, or the embedded cluster, does the scaling; it never goes to zero.
//!
//! Upstream: `pkg/reconciler/autoscaling/hpa`.

mod desired;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Client;
use kube::api::Api;
use kube::runtime::watcher;
use rouse_api::config::AutoscalerConfig;
use rouse_api::{PodAutoscaler, keys};
use rouse_k8s::ObjectKey;
use rouse_kit::mirror::{Change, Mirror};
use rouse_kit::{Applier, Clock, Events, Live, Shutdown, panics};

/// The pause before a PodAutoscaler that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Gives PodAutoscalers of the class their HorizontalPodAutoscalers.
pub(crate) struct Reconciler {
    autoscalers: Mirror<PodAutoscaler>,
    horizontal: Mirror<HorizontalPodAutoscaler>,
    config: Live<AutoscalerConfig>,
    applier: Applier,
    clock: Clock,
    /// To be reconciled.
    queued: BTreeSet<ObjectKey>,
    /// To be tried again after a pause.
    failed: BTreeSet<ObjectKey>,
}

impl Reconciler {
    pub(crate) fn new(
        client: &Client,
        config: Live<AutoscalerConfig>,
        events: Events,
        clock: Clock,
    ) -> Self {
        let of_revisions = watcher::Config::default().labels(keys::REVISION);
        let read = config.clone();
        let ours = move |pa: PodAutoscaler| desired::is_ours(&pa, &read.get()).then_some(pa);
        Self {
            autoscalers: Mirror::of(Api::all(client.clone()), watcher::Config::default(), ours),
            horizontal: Mirror::new(Api::all(client.clone()), of_revisions),
            config,
            applier: Applier::new(client.clone(), events),
            clock,
            queued: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Follows the cluster until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let (mut autoscalers, mut horizontal) = (false, false);
        loop {
            let synced = autoscalers && horizontal;
            let retries = !self.failed.is_empty();
            tokio::select! {
                biased; // shutdown first; then what the decisions depend on
                () = shutdown.cancelled() => return,
                change = self.horizontal.next() => horizontal |= self.queue(&change),
                change = self.autoscalers.next() => autoscalers |= self.queue(&change),
                () = std::future::ready(()), if synced && !self.queued.is_empty() => {
                    if let Some(key) = self.queued.pop_first() {
                        self.reconcile(key).await;
                    }
                }
                () = tokio::time::sleep(RETRY), if retries => {
                    self.queued.append(&mut self.failed);
                }
            }
        }
    }

    /// Queues the object of a change. Returns whether its mirror is complete with it.
    fn queue<T>(&mut self, change: &Change<T>) -> bool {
        match change {
            Change::Added { key, .. } | Change::Changed { key, .. } | Change::Gone { key, .. } => {
                self.queued.insert(key.clone());
                false
            }
            Change::InSync => true,
        }
    }

    async fn reconcile(&mut self, key: ObjectKey) {
        let autoscaler = self.autoscalers.store().get(&key.namespace, &key.name);
        let found = self.horizontal.store().get(&key.namespace, &key.name);
        let now: Timestamp = self.clock.now();
        let config = self.config.get();
        let planned = panics::catch(|| match &autoscaler {
            Some(autoscaler) => desired::plan(autoscaler, found.as_deref(), &config, now),
            None => desired::abandoned(found.as_deref()),
        });
        let applier = self.applier.clone();
        let failure = match (planned, autoscaler, found) {
            (Err(panicked), _, _) => Some(panicked.to_string()),
            (Ok(plan), Some(autoscaler), _) => apply(applier, autoscaler.as_ref(), plan).await,
            (Ok(plan), None, Some(found)) => apply(applier, found.as_ref(), plan).await,
            (Ok(_), None, None) => None,
        };
        if let Some(failure) = failure {
            tracing::warn!(autoscaler = %key, failure, "tried again");
            self.failed.insert(key);
        }
    }
}

/// Why a plan could not be carried out.
async fn apply<K>(applier: Applier, object: &K, plan: desired::HpaPlan) -> Option<String>
where
    K: kube::Resource<DynamicType = ()> + serde::Serialize,
{
    applier.apply(object, plan).await.err().map(|error| error.to_string())
}

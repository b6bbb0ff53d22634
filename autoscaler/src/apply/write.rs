//! The autoscaler's writes: scales, marks on pods, statuses.

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{Api, Patch, PatchParams};
use rouse_api::podautoscaler::PodAutoscalerStatus;
use rouse_api::{PodAutoscaler, keys};
use rouse_k8s::ObjectKey;
use rouse_k8s::keys::POD_DELETION_COST;
use rouse_kit::{Events, Notice};
use serde_json::{Value, json};

/// Deletion cost of a pod that is draining.
const COST_DRAINING: &str = "-1000";
/// Deletion cost of a pod that has drained before others.
const COST_DRAINED: &str = "-2000";

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub(crate) struct WriteError {
    what: String,
    #[source]
    source: Box<kube::Error>,
}

impl WriteError {
    fn new(what: String, source: kube::Error) -> Self {
        Self { what, source: Box::new(source) }
    }

    /// What failed and why, in one line.
    pub(crate) fn described(&self) -> String {
        format!("{self}: {}", self.source)
    }

    /// The object is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.source.as_ref(), kube::Error::Api(status) if status.code == 404)
    }
}

/// Writes the autoscaler's decisions to the cluster.
pub(crate) trait Scales: Send + Sync {
    fn scale<'a>(
        &'a self,
        key: &'a ObjectKey,
        deployment: &'a str,
        replicas: u32,
    ) -> BoxFuture<'a, Result<(), WriteError>>;

    /// Marks a pod as draining, or takes the mark away.
    fn mark<'a>(
        &'a self,
        key: &'a ObjectKey,
        pod: &'a str,
        marked: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), WriteError>>;

    /// Makes Kubernetes delete a marked pod before other marked ones.
    fn put_first<'a>(
        &'a self,
        key: &'a ObjectKey,
        pod: &'a str,
    ) -> BoxFuture<'a, Result<(), WriteError>>;

    fn report<'a>(
        &'a self,
        key: &'a ObjectKey,
        status: &'a PodAutoscalerStatus,
    ) -> BoxFuture<'a, Result<(), WriteError>>;

    /// Publishes an Event, in the background.
    fn tell(&self, about: ObjectReference, notice: Notice);
}

/// The Kubernetes API.
pub(crate) struct Cluster {
    client: kube::Client,
    events: Events,
}

impl Cluster {
    pub(crate) fn new(client: kube::Client, events: Events) -> Self {
        Self { client, events }
    }

    async fn annotate(&self, key: &ObjectKey, pod: &str, values: Value) -> Result<(), WriteError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let patch = json!({ "metadata": { "annotations": values } });
        api.patch(pod, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map_err(|error| WriteError::new(format!("mark pod {}/{pod}", key.namespace), error))?;
        Ok(())
    }
}

impl Scales for Cluster {
    fn scale<'a>(
        &'a self,
        key: &'a ObjectKey,
        deployment: &'a str,
        replicas: u32,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async move {
            let api: Api<Deployment> = Api::namespaced(self.client.clone(), &key.namespace);
            let patch = json!({ "spec": { "replicas": replicas } });
            api.patch_scale(deployment, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map_err(|error| {
                    let what = format!("scale Deployment {}/{deployment}", key.namespace);
                    WriteError::new(what, error)
                })?;
            Ok(())
        })
    }

    fn mark<'a>(
        &'a self,
        key: &'a ObjectKey,
        pod: &'a str,
        marked: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        let cost = marked.map(|_| COST_DRAINING);
        let marked = marked.map(|at| at.to_string());
        let values = json!({ keys::DRAINING: marked, POD_DELETION_COST: cost });
        Box::pin(self.annotate(key, pod, values))
    }

    fn put_first<'a>(
        &'a self,
        key: &'a ObjectKey,
        pod: &'a str,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(self.annotate(key, pod, json!({ POD_DELETION_COST: COST_DRAINED })))
    }

    fn report<'a>(
        &'a self,
        key: &'a ObjectKey,
        status: &'a PodAutoscalerStatus,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(async move {
            let api: Api<PodAutoscaler> = Api::namespaced(self.client.clone(), &key.namespace);
            let patch = json!({ "status": status });
            api.patch_status(&key.name, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map_err(|error| {
                    WriteError::new(format!("report the status of PodAutoscaler {key}"), error)
                })?;
            Ok(())
        })
    }

    fn tell(&self, about: ObjectReference, notice: Notice) {
        self.events.publish(about, notice);
    }
}

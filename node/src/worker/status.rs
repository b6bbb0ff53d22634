//! Writes of a pod's status, and the deletion of its object.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use serde_json::json;
use tokio::time::Instant;

use super::shared::Shared;
use crate::pod::{self, PodState};
use crate::spec::PodRef;

/// How long a start may take, from launch to the first passed probe, before the status says that it
/// is under way.
const START_SHOWN: Duration = Duration::from_millis(200);
/// A failed status write or delete is tried again after this.
const WRITE_AGAIN: Duration = Duration::from_millis(500);

type Write = BoxFuture<'static, (PodStatus, Result<(), kube::Error>)>;

/// Writes one pod's status whenever it differs from what was written last.
pub(super) struct StatusWriter {
    shared: Arc<Shared>,
    pod: PodRef,
    written: Option<PodStatus>,
    under_way: Option<Write>,
    not_before: Instant,
}

impl StatusWriter {
    pub(super) fn new(shared: Arc<Shared>, pod: PodRef, written: Option<PodStatus>) -> Self {
        Self { shared, pod, written, under_way: None, not_before: Instant::now() }
    }

    /// Delays the status of a pod that begins to start.
    pub(super) fn pace(&mut self, was_starting: bool, is_starting: bool) {
        match (was_starting, is_starting) {
            (false, true) => self.not_before = self.not_before.max(Instant::now() + START_SHOWN),
            (true, false) => self.not_before = Instant::now(),
            (true, true) | (false, false) => {}
        }
    }

    /// Begins a write if one is due.
    pub(super) fn begin(&mut self, state: &PodState) {
        let due = self.under_way.is_none() && Instant::now() >= self.not_before;
        if due && self.is_unwritten(state) {
            self.under_way = Some(self.write(state));
        }
    }

    /// Time until `begin` has a write to do, if nothing else happens.
    pub(super) fn due_in(&self, state: &PodState) -> Option<Duration> {
        let waits = self.under_way.is_none() && self.is_unwritten(state);
        waits.then(|| self.not_before.saturating_duration_since(Instant::now()))
    }

    /// Waits for the end of the write that is under way.
    pub(super) async fn done(&mut self) {
        let Some(write) = &mut self.under_way else { return std::future::pending().await };
        let (status, result) = write.await;
        self.under_way = None;
        self.wrote(status, result);
    }

    /// Writes the last status and removes the object.
    pub(super) async fn finish(&mut self, state: &PodState) {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: Some(self.pod.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        if self.is_unwritten(state) {
            let (status, result) = self.write(state).await;
            self.wrote(status, result);
        }
        let PodRef { namespace, name, .. } = &self.pod;
        while !self.shared.halting.is_cancelled() {
            match self.api().delete(name, &params).await {
                Ok(_) => return,
                Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => return,
                Err(error) => {
                    tracing::warn!(%error, ns = %namespace, name = %name, "cannot remove a pod that has ended");
                    tokio::time::sleep(WRITE_AGAIN).await;
                }
            }
        }
    }

    fn is_unwritten(&self, state: &PodState) -> bool {
        let halting = self.shared.halting.is_cancelled();
        !halting && !state.done && self.written.as_ref() != Some(&self.status(state))
    }

    fn status(&self, state: &PodState) -> PodStatus {
        pod::status(state, self.shared.host_ip)
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.shared.client.clone(), &self.pod.namespace)
    }

    fn write(&self, state: &PodState) -> Write {
        let (api, status) = (self.api(), self.status(state));
        let PodRef { name, uid, .. } = self.pod.clone();
        Box::pin(async move {
            let patch = json!({"metadata": {"uid": uid}, "status": status});
            let done =
                api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
            (status, done.map(drop))
        })
    }

    fn wrote(&mut self, status: PodStatus, result: Result<(), kube::Error>) {
        match result {
            Ok(()) => self.written = Some(status),
            // The pod is gone, or another one has its name: the watch will say so.
            Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => {
                self.written = Some(status);
            }
            Err(error) => {
                let PodRef { namespace, name, .. } = &self.pod;
                tracing::warn!(%error, ns = %namespace, name = %name, "cannot write a pod's status");
                self.not_before = Instant::now() + WRITE_AGAIN;
            }
        }
    }
}

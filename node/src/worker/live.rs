//! The pods that have a worker, as their workers see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::pod::{PodState, Run};
use crate::spec::PodRef;

/// One pod, as its worker left it after its last step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LivePod {
    #[serde(flatten)]
    pub(crate) pod: PodRef,
    pub(crate) phase: &'static str,
    pub(crate) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ending: Option<&'static str>,
    pub(crate) since: Timestamp,
    pub(crate) containers: Vec<LiveContainer>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveContainer {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) restarts: i32,
    pub(crate) ready: bool,
    /// Of a container that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<Running>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Running {
    pub(crate) id: String,
    pub(crate) since: Timestamp,
}

/// By uid. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live(Arc<Mutex<BTreeMap<String, LivePod>>>);

/// One pod's entry, which goes when this is dropped.
pub(super) struct Entry {
    live: Live,
    pod: PodRef,
}

impl Live {
    pub(super) fn enter(&self, pod: PodRef) -> Entry {
        Entry { live: self.clone(), pod }
    }

    pub(crate) fn pods(&self) -> Vec<LivePod> {
        self.0.lock().values().cloned().collect()
    }

    pub(crate) fn named(&self, namespace: &str, name: &str) -> Option<LivePod> {
        let pods = self.0.lock();
        let mut all = pods.values();
        all.find(|live| live.pod.namespace == namespace && live.pod.name == name).cloned()
    }
}

impl Entry {
    pub(super) fn update(&self, state: &PodState) {
        let containers = state.containers.iter().map(|container| LiveContainer {
            name: container.name.clone(),
            state: container.run.word(),
            restarts: container.restarts,
            ready: container.ready,
            running: match &container.run {
                Run::Running { id, since, .. } => Some(Running { id: id.clone(), since: *since }),
                Run::Waiting { .. } | Run::Launching | Run::Pulling | Run::Ended(_) => None,
            },
        });
        let pod = LivePod {
            pod: self.pod.clone(),
            phase: state.phase(),
            ready: state.is_ready(),
            ending: state.ending_stage(),
            since: state.started_at,
            containers: containers.collect(),
        };
        self.live.0.lock().insert(self.pod.uid.clone(), pod);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.live.0.lock().remove(&self.pod.uid);
    }
}

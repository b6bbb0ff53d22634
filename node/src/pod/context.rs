//! The parts of a pod that a container's steps read.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container as Spec, Pod};
use rouse_k8s::time::seconds;
use rouse_kit::Moment;

use super::ending::Stage;
use super::event::Index;

/// The API's default.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// The inputs of one container's step.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) at: Index,
    pub(super) now: Moment,
    pub(super) pod: &'a Pod,
    /// How far the pod's end has come.
    pub(super) ending: Option<Stage>,
    /// No app container runs any more, or will.
    pub(super) over: bool,
}

impl<'a> Context<'a> {
    pub(super) fn spec(&self) -> Option<&'a Spec> {
        spec_of(self.pod, self.at)
    }
}

/// The spec of a container by its index: init containers first.
pub(crate) fn spec_of(pod: &Pod, at: Index) -> Option<&Spec> {
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.as_deref().unwrap_or_default();
    init.get(at).or_else(|| spec.containers.get(at.checked_sub(init.len())?))
}

pub(super) fn restart_policy(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
}

/// `terminationGracePeriodSeconds` of the spec.
pub(crate) fn grace(pod: &Pod) -> Duration {
    let asked = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    asked.map_or(DEFAULT_GRACE, seconds)
}

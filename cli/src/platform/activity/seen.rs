//! The little that is kept of each object.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use rouse_api::condition::{self, READY};
use rouse_api::podautoscaler::ScaleChange;
use rouse_api::{Condition, PodAutoscaler, Service, TrafficTarget, keys};
use rouse_k8s::object::{self, label};
use rouse_k8s::pod;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SeenService {
    /// Its status is that of the present spec.
    pub(super) settled: bool,
    pub(super) ready: bool,
    /// Why it is not, or will not be, ready.
    pub(super) failure: Option<String>,
    pub(super) created: Option<String>,
    pub(super) latest: Option<String>,
    pub(super) url: String,
    pub(super) traffic: Vec<TrafficTarget>,
}

impl SeenService {
    pub(super) fn of(service: Service) -> Self {
        let generation = service.metadata.generation;
        let status = service.status.unwrap_or_default();
        let find = |type_: &str| condition::find(&status.conditions, type_);
        let failed = |type_: &str| find(type_).filter(|c| c.is_false());
        let failure = failed("ConfigurationsReady").or_else(|| failed("RoutesReady"));
        Self {
            settled: status.observed_generation == generation,
            ready: find(READY).is_some_and(Condition::is_true),
            failure: failure.map(|c| format!("{}: {}", c.reason, c.message)),
            created: status.latest_created_revision_name,
            latest: status.latest_ready_revision_name,
            url: status.url.unwrap_or_default(),
            traffic: status.traffic,
        }
    }
}

/// The last changes of a revision's scale, newest first.
#[derive(Debug, PartialEq)]
pub(super) struct SeenScaler {
    pub(super) service: String,
    pub(super) changes: Vec<ScaleChange>,
}

impl SeenScaler {
    pub(super) fn of(scaler: PodAutoscaler) -> Option<Self> {
        let service = label(&scaler.metadata, keys::SERVICE)?.to_owned();
        Some(Self { service, changes: scaler.status.unwrap_or_default().decisions })
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct SeenDeployment {
    pub(super) revision: String,
    pub(super) replicas: i32,
}

impl SeenDeployment {
    pub(super) fn of(deployment: Deployment) -> Option<Self> {
        let revision = label(&deployment.metadata, keys::REVISION)?.to_owned();
        let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        Some(Self { revision, replicas })
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct SeenPod {
    pub(super) service: String,
    pub(super) revision: String,
    pub(super) ready: bool,
    /// It is being deleted: its containers end because they are asked to.
    pub(super) ending: bool,
    pub(super) exits: Vec<Exit>,
}

/// The last end of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exit {
    pub(super) container: String,
    pub(super) code: i32,
    pub(super) reason: String,
    /// When it ended, which tells it from an earlier one.
    pub(super) at: Option<jiff::Timestamp>,
}

impl SeenPod {
    pub(super) fn of(pod: Pod) -> Option<Self> {
        let service = label(&pod.metadata, keys::SERVICE)?.to_owned();
        let revision = label(&pod.metadata, keys::REVISION)?.to_owned();
        let exit = |status: &ContainerStatus| {
            let ended = pod::last_end(status)?;
            Some(Exit {
                container: status.name.clone(),
                code: ended.exit_code,
                reason: ended.reason.clone().unwrap_or_default(),
                at: ended.finished_at.as_ref().map(|at| at.0),
            })
        };
        let failed = |exit: &Exit| exit.code != 0;
        let init = pod::init_container_statuses(&pod).filter_map(exit).filter(failed);
        Some(Self {
            service,
            revision,
            ready: pod::is_ready(&pod),
            ending: object::is_terminating(&pod.metadata),
            exits: pod::container_statuses(&pod).filter_map(exit).chain(init).collect(),
        })
    }
}

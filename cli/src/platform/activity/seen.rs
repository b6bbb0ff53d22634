//! The little that is kept of each object.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use rouse_api::podautoscaler::ScaleChange;
use rouse_api::{ConditionStatus, PodAutoscaler, Service, TrafficTarget, keys};
use rouse_k8s::object::label;

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
        let find = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_);
        let failed = |type_: &str| find(type_).filter(|c| c.status == ConditionStatus::False);
        let failure = failed("ConfigurationsReady").or_else(|| failed("RoutesReady"));
        Self {
            settled: status.observed_generation == generation,
            ready: find("Ready").is_some_and(|c| c.status == ConditionStatus::True),
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
        let ending = pod.metadata.deletion_timestamp.is_some();
        let status = pod.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        let exit = |status: k8s_openapi::api::core::v1::ContainerStatus| {
            let now = status.state.and_then(|state| state.terminated);
            let ended = now.or_else(|| status.last_state.and_then(|state| state.terminated))?;
            Some(Exit {
                container: status.name,
                code: ended.exit_code,
                reason: ended.reason.unwrap_or_default(),
                at: ended.finished_at.map(|at| at.0),
            })
        };
        let apps = status.container_statuses.unwrap_or_default();
        let init = status.init_container_statuses.unwrap_or_default();
        let failed = |exit: &Exit| exit.code != 0;
        let mut exits: Vec<Exit> = apps.into_iter().filter_map(exit).collect();
        exits.extend(init.into_iter().filter_map(exit).filter(failed));
        Some(Self { service, revision, ready, ending, exits })
    }
}

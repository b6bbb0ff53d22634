//! The Deployment of a Revision: the user's pod, and what the runtime contract adds to it.
//!
//! Upstream: pkg/reconciler/revision/resources/deploy.go. There is no second container here: see
//! the mapping of the queue-proxy's duties in the architecture document.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, EnvVar, Lifecycle, LifecycleHandler, Pod, PodAffinityTerm,
    PodAntiAffinity, PodSpec, PodTemplateSpec, SleepAction, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use rouse_api::annotations::{Autoscaling, progress_deadline};
use rouse_api::config::deployment::AffinityType;
use rouse_api::config::{ApiConfig, DeploymentConfig};
use rouse_api::names::deployment_name;
use rouse_api::revision::ContainerImage;
use rouse_api::validation::is_googles;
use rouse_api::{Revision, keys};
use rouse_k8s::{keys as kubernetes, template};

use super::observed::Settings;
use super::probes;
use crate::lookups::images::Digests;
use crate::objects::children::{Map, annotations_without, labels_without, meta};
use crate::objects::meta::name;

/// Annotations that concern the Revision alone.
pub(super) const NOT_FOR_CHILDREN: &[&str] =
    &[keys::LAST_PINNED, keys::NO_GC, keys::ROUTES, keys::ROUTING_STATE_MODIFIED];

/// The Revision's timeout where none is set, in seconds. Admission always sets one.
const TIMEOUT_DEFAULT: i64 = 300;

/// `scaling` are the annotations of the Revision within the bounds of its Service.
pub(super) fn build(
    revision: &Revision,
    images: &Digests,
    settings: &Settings,
    scaling: &Map,
) -> Deployment {
    let labels = labels(revision);
    let mut annotations = annotations_without(revision, NOT_FOR_CHILDREN);
    annotations.retain(|key, _| !key.starts_with(keys::AUTOSCALING_PREFIX));
    let uid = revision.metadata.uid.clone().unwrap_or_default();
    let selector = Map::from([(keys::REVISION_UID.to_owned(), uid)]);
    let mut pod_annotations = annotations.clone();
    if let Some(serving) = template::serving_container(&revision.spec.pod) {
        pod_annotations.insert(kubernetes::DEFAULT_CONTAINER.to_owned(), serving.name.clone());
    }
    let deadline = progress_deadline(revision.annotations())
        .unwrap_or(settings.config.deployment.progress_deadline);
    Deployment {
        metadata: meta(revision, &deployment_name(name(revision)), labels.clone(), annotations),
        spec: Some(DeploymentSpec {
            replicas: Some(initial_replicas(scaling, settings)),
            selector: LabelSelector { match_labels: Some(selector), match_expressions: None },
            progress_deadline_seconds: Some(whole_seconds(deadline)),
            revision_history_limit: Some(0),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: None,
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(pod_annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(revision, images, &settings.config.deployment, settings.drain)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A pod of the Revision, before its images have digests.
pub(crate) fn pod_of(revision: &Revision, config: &ApiConfig) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: revision.metadata.name.clone(),
            namespace: revision.metadata.namespace.clone(),
            labels: Some(labels(revision)),
            ..ObjectMeta::default()
        },
        spec: Some(pod_spec(revision, &Digests::default(), &config.deployment, Duration::ZERO)),
        status: None,
    }
}

/// The Revision's labels for its children, and those that name the Revision.
pub(super) fn labels(revision: &Revision) -> Map {
    let mut labels = labels_without(revision, &[keys::ROUTE, keys::ROUTING_STATE]);
    labels.insert(keys::REVISION.to_owned(), name(revision).to_owned());
    let uid = revision.metadata.uid.clone().unwrap_or_default();
    labels.insert(keys::REVISION_UID.to_owned(), uid);
    labels.entry(keys::APP.to_owned()).or_insert_with(|| name(revision).to_owned());
    labels
}

/// Replicas at creation; afterwards the autoscaler sets them.
fn initial_replicas(scaling: &Map, settings: &Settings) -> i32 {
    let scale = Autoscaling::new(scaling, &settings.config.autoscaler);
    i32::try_from(scale.initial_scale().max(scale.min_scale())).unwrap_or(i32::MAX)
}

fn pod_spec(
    revision: &Revision,
    images: &Digests,
    config: &DeploymentConfig,
    drain: Duration,
) -> PodSpec {
    let mut pod = revision.spec.pod.clone();
    pod.service_account_name.take_if(|account| is_googles(account));
    let serving = template::serving_container(&pod).map(|container| container.name.clone());
    for container in &mut pod.containers {
        let serves = Some(&container.name) == serving.as_ref();
        complete(container, revision, &images.containers, drain);
        if serves {
            serve(container);
        } else {
            probes::complete(container, None);
        }
    }
    for container in pod.init_containers.iter_mut().flatten() {
        pin(container, &images.init);
        probes::complete(container, None);
        add_env(container, identity(revision));
    }
    let timeout = revision.spec.timeout_seconds.unwrap_or(TIMEOUT_DEFAULT);
    let grace = timeout.max(0).saturating_add(i64::from(whole_seconds(drain)));
    pod.termination_grace_period_seconds = Some(grace);
    if pod.affinity.is_none()
        && config.default_affinity_type == AffinityType::PreferSpreadRevisionOverNodes
    {
        pod.affinity = Some(spread(revision));
    }
    if pod.runtime_class_name.is_none() {
        let class = config.runtime_class(revision.labels());
        pod.runtime_class_name = class.map(ToOwned::to_owned);
    }
    pod
}

/// Sets the fields that every container of a Revision gets.
fn complete(
    container: &mut Container,
    revision: &Revision,
    images: &[ContainerImage],
    drain: Duration,
) {
    pin(container, images);
    add_env(container, identity(revision));
    container.termination_message_policy.get_or_insert_with(|| "FallbackToLogsOnError".to_owned());
    let seconds = whole_seconds(drain);
    if seconds > 0 {
        // Requests that are in flight to the pod when it is deleted are still served.
        container.lifecycle = Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: i64::from(seconds) }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        });
    }
}

/// Sets the further fields of the serving container.
fn serve(container: &mut Container) {
    let port = i32::from(template::serving_port(container));
    let declared = container.ports.take().and_then(|ports| ports.into_iter().next());
    container.ports = Some(vec![ContainerPort {
        name: Some(keys::USER_PORT.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..declared.unwrap_or_default()
    }]);
    add_env(container, vec![(template::PORT_VARIABLE, port.to_string())]);
    probes::complete(container, Some(port));
}

/// The name that the user gave the serving port, which says the protocol.
pub(super) fn serving_port_name(revision: &Revision) -> Option<&str> {
    let container = template::serving_container(&revision.spec.pod)?;
    container.ports.as_ref()?.first()?.name.as_deref()
}

fn pin(container: &mut Container, images: &[ContainerImage]) {
    let pinned = images.iter().find(|image| image.name == container.name);
    if let Some(image) = pinned.filter(|image| !image.image_digest.is_empty()) {
        container.image = Some(image.image_digest.clone());
    }
}

fn identity(revision: &Revision) -> Vec<(&'static str, String)> {
    let label = |key| revision.labels().get(key).cloned().unwrap_or_default();
    vec![
        (keys::ENV_CONFIGURATION, label(keys::CONFIGURATION)),
        (keys::ENV_REVISION, name(revision).to_owned()),
        (keys::ENV_SERVICE, label(keys::SERVICE)),
    ]
}

fn add_env(container: &mut Container, values: Vec<(&'static str, String)>) {
    let env = container.env.get_or_insert_with(Vec::new);
    env.extend(values.into_iter().map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }));
}

fn spread(revision: &Revision) -> Affinity {
    let labels = Map::from([(keys::REVISION.to_owned(), name(revision).to_owned())]);
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        topology_key: "kubernetes.io/hostname".to_owned(),
                        label_selector: Some(LabelSelector {
                            match_labels: Some(labels),
                            match_expressions: None,
                        }),
                        ..PodAffinityTerm::default()
                    },
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

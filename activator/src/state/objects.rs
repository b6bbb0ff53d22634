//! Readers of Revisions and Pods: the settings and facts that the activator keeps of them. Pure.

use std::num::IntErrorKind;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use k8s_openapi::api::core::v1;
use rouse_api::{ConditionStatus, Revision, keys};
use rouse_k8s::ObjectKey;
use rouse_k8s::{object, pod, template};
use rouse_kit::AddressResolver;

use crate::state::readiness::{Check, PodFacts};
use crate::state::settings::{Limits, Protocol, QUEUE_LIMIT, Settings};

/// Knative's default for `timeoutSeconds`, should admission have set none.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Longer timeouts are taken for this one: a year, which any clock can add to the present.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The longest gRPC service name that the activator's own probe asks for.
const GRPC_SERVICE_MAX: usize = 100;

/// Reads a Revision.
pub(crate) fn settings(revision: &Revision) -> Settings {
    let spec = &revision.spec;
    let queue_limit = object::annotation(&revision.metadata, keys::QUEUE_LIMIT);
    let label = |key| Arc::from(object::label(&revision.metadata, key).unwrap_or_default());
    let concurrency = spec.container_concurrency.unwrap_or(0).clamp(0, i64::from(u32::MAX));
    Settings {
        concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
        queue_limit: queue_limit.and_then(count).unwrap_or(QUEUE_LIMIT),
        limits: Limits {
            total: timeout(spec.timeout_seconds).unwrap_or(TIMEOUT),
            response_start: timeout(spec.response_start_timeout_seconds),
            idle: timeout(spec.idle_timeout_seconds),
        },
        protocol: protocol(&spec.pod),
        service: label(keys::SERVICE),
        configuration: label(keys::CONFIGURATION),
        trouble: not_ready(revision),
    }
}

/// A timeout in seconds; 0 and less is none.
fn timeout(seconds: Option<i64>) -> Option<Duration> {
    let seconds = u64::try_from(seconds?).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds).min(TIMEOUT_MAX))
}

/// Parses a count from an annotation; one that is too large saturates.
fn count(text: &str) -> Option<usize> {
    match text.parse() {
        Ok(count) => Some(count),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(usize::MAX),
        Err(_) => None,
    }
}

/// The reason that the Revision gives for not being ready.
fn not_ready(revision: &Revision) -> Option<String> {
    let conditions = &revision.status.as_ref()?.conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    (ready.status == ConditionStatus::False).then(|| cause(&ready.reason, &ready.message))
}

fn cause(reason: &str, message: &str) -> String {
    if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") }
}

/// h2c if the serving port's name says so; Knative's names, and gRPC's usual one.
fn protocol(pod: &v1::PodSpec) -> Protocol {
    let name = template::serving_container(pod)
        .and_then(|container| container.ports.as_deref()?.first()?.name.clone());
    let h2c = name.is_some_and(|name| {
        ["h2c", "grpc"].iter().any(|kind| name == *kind || name.starts_with(&format!("{kind}-")))
    });
    if h2c { Protocol::H2c } else { Protocol::Http1 }
}

/// Reads a Pod; `None` if it belongs to no revision.
pub(crate) fn pod_facts(pod: &v1::Pod, resolve: &AddressResolver) -> Option<PodFacts> {
    let meta = &pod.metadata;
    let revision = object::label(meta, keys::REVISION)?;
    let spec = pod.spec.as_ref()?;
    let container = template::serving_container(spec)?;
    Some(PodFacts {
        uid: object::uid(meta).to_owned(),
        revision: ObjectKey::new(object::namespace(meta), revision),
        bound: pod::node(pod).is_some(),
        address: resolve(pod, template::serving_port(container)),
        check: check(pod, spec, container, resolve),
        leaving: object::is_terminating(meta) || pod::has_ended(pod),
        draining: object::annotation(meta, keys::DRAINING).is_some(),
        ready: pod::is_ready(pod),
        trouble: trouble(pod),
    })
}

/// How the activator finds out that this pod is ready, or that only the kubelet can.
fn check(
    pod: &v1::Pod,
    spec: &v1::PodSpec,
    container: &v1::Container,
    resolve: &AddressResolver,
) -> Check {
    let others_probed = spec.containers.iter().any(|other| {
        other.startup_probe.is_some()
            || (other.name != container.name && other.readiness_probe.is_some())
    });
    let gated = spec.readiness_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    if others_probed || gated {
        return Check::Kubelet;
    }
    let serving_port = template::serving_port(container);
    let at = |port: u16| resolve(pod, port);
    let named = |port| template::resolve_port(port, container).and_then(at);
    let Some(probe) = &container.readiness_probe else {
        return at(serving_port).map_or(Check::Kubelet, |address| Check::Tcp { address });
    };
    let own_check = if let Some(http) = &probe.http_get {
        // HTTPS is left to the kubelet: it does not verify certificates, and we would need a second
        // client for it.
        let plain = http.scheme.as_deref().is_none_or(|scheme| scheme.eq_ignore_ascii_case("HTTP"));
        let address = named(&http.port);
        let host_elsewhere = http.host.as_ref().is_some_and(|host| !host.is_empty());
        address.filter(|_| plain && !host_elsewhere).map(|address| Check::Http {
            address,
            path: http.path.clone().unwrap_or_else(|| "/".to_owned()),
            headers: http.http_headers.iter().flatten().filter_map(header).collect(),
        })
    } else if let Some(tcp) = &probe.tcp_socket {
        named(&tcp.port).map(|address| Check::Tcp { address })
    } else if let Some(grpc) = &probe.grpc {
        let port = u16::try_from(grpc.port).ok().filter(|port| *port != 0);
        let service = grpc.service.clone().unwrap_or_default();
        let address =
            at(port.unwrap_or(serving_port)).filter(|_| service.len() <= GRPC_SERVICE_MAX);
        address.map(|address| Check::Grpc { address, service })
    } else if probe.exec.is_some() {
        None
    } else {
        at(serving_port).map(|address| Check::Tcp { address })
    };
    own_check.unwrap_or(Check::Kubelet)
}

fn header(sent: &v1::HTTPHeader) -> Option<(HeaderName, HeaderValue)> {
    Some((sent.name.parse().ok()?, sent.value.parse().ok()?))
}

/// Why a pod is not usable yet, in the words of `kubectl get pods`. That a container runs but is
/// not ready is said last.
fn trouble(pod: &v1::Pod) -> Option<String> {
    let waiting = |container: &v1::ContainerStatus| {
        let waiting = pod::waiting(container)?;
        let reason = waiting.reason.as_deref()?;
        let starting = matches!(reason, "ContainerCreating" | "PodInitializing");
        (!starting).then(|| cause(reason, waiting.message.as_deref().unwrap_or_default()))
    };
    let unscheduled = || {
        let scheduled =
            pod::condition(pod, "PodScheduled").filter(|seen| seen.status == "False")?;
        let reason = scheduled.reason.as_deref().unwrap_or("Unschedulable");
        Some(cause(reason, scheduled.message.as_deref().unwrap_or_default()))
    };
    let unready = |container: &v1::ContainerStatus| {
        if container.ready || !pod::is_running(container) {
            return None;
        }
        let again = pod::last_end(container).map_or_else(String::new, |ended| {
            format!(" again after it ended with exit code {}", ended.exit_code)
        });
        Some(cause("ContainersNotReady", &format!("it runs{again}, and is not ready")))
    };
    let containers = || pod::container_statuses(pod);
    containers().find_map(waiting).or_else(unscheduled).or_else(|| containers().find_map(unready))
}

#[cfg(test)]
mod tests;

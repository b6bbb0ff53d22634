//! Completes the user's probes: the serving port where they name none, no host, and a period that Kubernetes accepts
//! in place of Knative's 0, "as often as possible".

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The shortest period that a kubelet probes with. Activators probe on their own, much faster.
const PERIOD_MIN_SECONDS: i32 = 1;

/// `port` is the serving port; None for a container beside the serving one, whose probes name ports of
/// their own.
pub(super) fn complete(container: &mut Container, port: Option<i32>) {
    if let Some(probe) = &mut container.readiness_probe {
        if probe.period_seconds.unwrap_or_default() == 0 {
            probe.period_seconds = Some(PERIOD_MIN_SECONDS);
        }
        if probe.failure_threshold == Some(0) {
            probe.failure_threshold = None;
        }
        if probe.timeout_seconds == Some(0) {
            probe.timeout_seconds = None;
        }
    }
    let all = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    for probe in all.into_iter().flatten() {
        on_port(probe, port);
    }
}

/// A missing port, and the name that the user gave the serving port, mean the serving port. The host is removed: in
/// Knative a sidecar resolves it inside the pod, but a kubelet would resolve it on the node.
fn on_port(probe: &mut Probe, port: Option<i32>) {
    if let Some(action) = &mut probe.http_get {
        numbered(&mut action.port, port);
        action.host = None;
        if let Some(scheme) = &mut action.scheme {
            scheme.make_ascii_uppercase();
        }
    }
    if let Some(action) = &mut probe.tcp_socket {
        numbered(&mut action.port, port);
        action.host = None;
    }
    if let (Some(action), Some(port)) = (&mut probe.grpc, port)
        && action.port == 0
    {
        action.port = port;
    }
}

fn numbered(named: &mut IntOrString, port: Option<i32>) {
    let Some(port) = port else { return };
    match named {
        IntOrString::Int(number) if *number != 0 => {}
        IntOrString::Int(_) | IntOrString::String(_) => *named = IntOrString::Int(port),
    }
}

#[cfg(test)]
mod tests;

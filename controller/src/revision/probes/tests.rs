//! Probes as users write them, and as they reach the pod.

use super::*;
use crate::testing::object;

#[test]
fn probes_are_completed_and_what_the_user_chose_stays() {
    for (written, expected) in [
        (
            "readinessProbe: {tcpSocket: {port: 0}, periodSeconds: 0, failureThreshold: 0, timeoutSeconds: 0}",
            "readinessProbe: {tcpSocket: {port: 9000}, periodSeconds: 1}",
        ),
        (
            "readinessProbe: {tcpSocket: {port: 5}, periodSeconds: 7, failureThreshold: 2, timeoutSeconds: 3}",
            "readinessProbe: {tcpSocket: {port: 5}, periodSeconds: 7, failureThreshold: 2, timeoutSeconds: 3}",
        ),
        ("livenessProbe: {httpGet: {port: h2c}}", "livenessProbe: {httpGet: {port: 9000}}"),
        ("livenessProbe: {httpGet: {port: 5}}", "livenessProbe: {httpGet: {port: 5}}"),
        ("startupProbe: {grpc: {port: 0}}", "startupProbe: {grpc: {port: 9000}}"),
        ("startupProbe: {grpc: {port: 5}}", "startupProbe: {grpc: {port: 5}}"),
        (
            "readinessProbe: {httpGet: {port: 5, scheme: http, host: 127.0.0.1}, periodSeconds: 1}",
            "readinessProbe: {httpGet: {port: 5, scheme: HTTP}, periodSeconds: 1}",
        ),
        (
            "livenessProbe: {tcpSocket: {port: 5, host: localhost}}",
            "livenessProbe: {tcpSocket: {port: 5}}",
        ),
        ("image: x", "image: x"),
    ] {
        let container = |probe: &str| object::<Container>(&format!("{{name: a, {probe}}}"));
        let mut completed = container(written);
        complete(&mut completed, Some(9000));
        assert_eq!(completed, container(expected), "{written}");
    }
    let beside: Container = object(
        "{name: a, readinessProbe: {tcpSocket: {port: '9001', host: localhost}, periodSeconds: 0}}",
    );
    let mut completed = beside;
    complete(&mut completed, None);
    let expected: Container =
        object("{name: a, readinessProbe: {tcpSocket: {port: '9001'}, periodSeconds: 1}}");
    assert_eq!(completed, expected);
}

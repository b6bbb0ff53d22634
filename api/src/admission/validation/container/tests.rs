//! Containers: fields, images, ports, environment, resources, probes.

use serde_json::json;

use crate::admission::validation::testing::container;

#[test]
fn containers_are_checked() {
    for (fields, want) in [
        (json!({ "image": "" }), "missing field(s): image"),
        (
            json!({ "image": "a b" }),
            "Failed to parse image reference: image\nimage: \"a b\", error: could not parse reference: a b",
        ),
        (json!({ "name": "queue-proxy" }), "\"queue-proxy\" is a reserved container name: name"),
        (
            json!({ "lifecycle": {}, "stdin": true, "tty": false }),
            "must not set the field(s): lifecycle, stdin",
        ),
        (
            json!({ "env": [{ "name": "K_SERVICE", "value": "x" }] }),
            "\"K_SERVICE\" is a reserved environment variable: env[0].name",
        ),
        (json!({ "env": [{ "value": "x" }] }), "missing field(s): env[0].name"),
        (
            json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "x" } } }] }),
            "must not set the field(s): env[0].valueFrom.fieldRef",
        ),
        (
            json!({ "envFrom": [{}] }),
            "expected exactly one, got neither: envFrom[0].configMapRef, envFrom[0].secretRef",
        ),
        (
            json!({ "ports": [{ "containerPort": 8012 }] }),
            "invalid value: 8012 is a reserved port: ports.containerPort\n8012 is a reserved port, please use a different value",
        ),
        (
            json!({ "ports": [{ "containerPort": 70000 }] }),
            "expected 0 <= 70000 <= 65535: ports.containerPort",
        ),
        (
            json!({ "ports": [{ "containerPort": 80, "name": "web" }] }),
            "Port name web is not allowed: ports\nName must be empty, or one of: 'h2c', 'http1'",
        ),
        (
            json!({ "ports": [{ "containerPort": 80, "hostPort": 80, "protocol": "UDP" }] }),
            "invalid value: UDP: ports.protocol\nmust not set the field(s): ports.hostPort",
        ),
        (
            json!({ "resources": { "limits": { "memory": "1 Gi" } } }),
            "invalid value: 1 Gi: resources.limits.memory\nquantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            json!({ "resources": { "limits": { "cpu": 1 }, "requests": { "cpu": "2000m" } } }),
            "invalid value: 2: resources.requests\nmust be less than or equal to cpu limit of 1",
        ),
        (
            json!({ "resources": {
                "limits": { "cpu": "1000m", "memory": "1Gi", "ephemeral-storage": "1" },
                "requests": { "cpu": "1", "memory": "512Mi", "nvidia.com/gpu": "1" },
            } }),
            "",
        ),
        (
            json!({ "securityContext": { "privileged": true, "procMount": "x" } }),
            "must not set the field(s): securityContext.privileged, securityContext.procMount",
        ),
        (
            json!({ "securityContext": { "capabilities": { "add": ["ALL"] } } }),
            "must not set the field(s): securityContext.capabilities.add",
        ),
        (
            json!({ "securityContext": { "runAsUser": -1 } }),
            "expected 0 <= -1 <= 2147483647: securityContext.runAsUser",
        ),
    ] {
        assert_eq!(container(fields), want);
    }
    let two_ports = json!({ "ports": [{ "containerPort": 1 }, { "containerPort": 2 }] });
    assert_eq!(
        container(two_ports),
        "more than one container port is set: spec.template.spec.containers[*].ports\n\
         Only a single port is allowed across all containers"
    );
}

#[test]
fn probes_are_checked() {
    for (fields, want) in [
        (
            json!({ "readinessProbe": { "httpGet": {}, "tcpSocket": {} } }),
            "expected exactly one, got both: readinessProbe.httpGet, readinessProbe.tcpSocket",
        ),
        (
            json!({ "livenessProbe": { "periodSeconds": 1 } }),
            "expected exactly one, got neither: livenessProbe.exec, livenessProbe.grpc, livenessProbe.httpGet, livenessProbe.tcpSocket",
        ),
        (
            json!({ "readinessProbe": { "tcpSocket": {}, "timeoutSeconds": 5, "failureThreshold": 2 } }),
            "failureThreshold is disallowed when periodSeconds is zero: readinessProbe.failureThreshold\n\
          timeoutSeconds is disallowed when periodSeconds is zero: readinessProbe.timeoutSeconds",
        ),
        (
            json!({ "readinessProbe": { "httpGet": { "port": "admin" } } }),
            "invalid value: admin: readinessProbe.httpGet.port\nProbe port must match container port",
        ),
        (json!({ "startupProbe": { "exec": { "command": ["true"] } } }), ""),
    ] {
        assert_eq!(container(fields), want);
    }
}

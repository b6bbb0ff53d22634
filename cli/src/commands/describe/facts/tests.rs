//! Revisions in words.

use serde_json::json;

use super::*;

fn text(facts: &[Fact]) -> Vec<String> {
    facts.iter().map(|(label, lines)| format!("{label}: {}", lines.join(" | "))).collect()
}

#[test]
fn a_revision_shows_what_it_runs_and_secrets_by_reference_only() {
    let revision: Revision = serde_json::from_value(json!({
        "metadata": { "name": "hello-1", "annotations": {
            "autoscaling.knative.dev/min-scale": "1", "autoscaling.knative.dev/max-scale": "5",
            "autoscaling.knative.dev/target": "20" } },
        "spec": {
            "containerConcurrency": 8, "timeoutSeconds": 60, "serviceAccountName": "robot",
            "volumes": [{ "name": "keys", "secret": { "secretName": "s" } }, { "name": "tmp", "emptyDir": {} }],
            "containers": [{
                "name": "user-container", "image": "hello:1", "args": ["--fast"],
                "ports": [{ "name": "h2c", "containerPort": 9000 }],
                "env": [{ "name": "A", "value": "b" },
                    { "name": "K", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }],
                "envFrom": [{ "configMapRef": { "name": "c" } }],
                "resources": { "limits": { "memory": "1Gi" }, "requests": { "cpu": "1" } } }]
        },
        "status": { "actualReplicas": 1, "desiredReplicas": 3, "containerStatuses": [
            { "name": "user-container", "imageDigest": "hello@sha256:abc" }] }
    }))
    .unwrap();
    assert_eq!(
        text(&of_revision(&revision)),
        [
            "Image: hello:1 | pinned to hello@sha256:abc",
            "Command: --fast",
            "Port: 9000 (h2c)",
            "Env: A=b | K from Secret s, key k | all of ConfigMap c",
            "Resources: limit memory 1Gi | request cpu 1",
            "Volumes: keys from Secret s | tmp, empty at the start of each pod",
            "Account: robot",
            "Concurrency: at most 8 requests in a pod; the autoscaler aims at 20 (concurrency)",
            "Scale: 1 to 5 pods; now 1 of 3",
            "Timeout: 60 s",
        ]
    );
}

#[test]
fn several_containers_are_told_apart_and_defaults_are_short() {
    let revision: Revision = serde_json::from_value(json!({
        "metadata": { "name": "hello-1" },
        "spec": { "containers": [
            { "name": "a", "image": "x", "env": [{ "name": "A" }] }, { "name": "b", "image": "y" }] }
    }))
    .unwrap();
    assert_eq!(
        text(&of_revision(&revision)),
        [
            "Image of a: x",
            "Env of a: A=",
            "Image of b: y",
            "Concurrency: no limit",
            "Scale: 0 or more pods",
        ]
    );
}

#[test]
fn troubles_are_those_of_the_conditions() {
    let revision: Revision = serde_json::from_value(json!({
        "metadata": { "name": "hello-1" }, "spec": { "containers": [] },
        "status": { "conditions": [
            { "type": "Active", "status": "False", "severity": "Info", "reason": "NoTraffic" },
            { "type": "Ready", "status": "False", "reason": "ExitCode1", "message": "it\nfailed" },
            { "type": "ScaleReached", "status": "False", "reason": "Unschedulable", "message": "1 of 3" },
            { "type": "SettingsEffective", "status": "False", "reason": "NotEnforced", "message": "a; b" },
        ] }
    }))
    .unwrap();
    assert_eq!(
        text(&troubles(&revision)),
        [
            "Error: ExitCode1: it | failed",
            "Too few pods: Unschedulable: 1 of 3",
            "No effect: a | b"
        ]
    );
}

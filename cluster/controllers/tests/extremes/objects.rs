//! A valid object of every kind that is served, with the parts that numbers belong to.

use rouse_schema::kinds::Resource;
use serde_json::{Value, json};

fn pod_spec() -> Value {
    json!({
        "containers": [{
            "name": "c", "image": "i",
            "ports": [{ "containerPort": 8080 }],
            "resources": { "requests": { "memory": "1Mi" } },
            "livenessProbe": { "httpGet": { "port": 8080 } },
            "readinessProbe": { "tcpSocket": { "port": 8080 } },
            "startupProbe": { "grpc": { "port": 8080 } },
            "lifecycle": { "preStop": { "sleep": { "seconds": 1 } } },
        }],
        "volumes": [{ "name": "v", "emptyDir": {} }],
        "tolerations": [{ "key": "k", "operator": "Exists", "effect": "NoExecute" }],
    })
}

fn template(name: &str) -> Value {
    json!({ "metadata": { "labels": { "app": name } }, "spec": pod_spec() })
}

/// A Knative template takes fewer fields.
fn revision_spec() -> Value {
    json!({ "containers": [{ "name": "c", "image": "i", "ports": [{ "containerPort": 8080 }],
        "livenessProbe": { "httpGet": { "port": 8080 } },
        "readinessProbe": { "tcpSocket": { "port": 8080 } } }] })
}

/// An object of a kind. A CRD is named by its group and plural.
pub(crate) fn valid(resource: &Resource, name: &str, namespace: &str) -> Value {
    let mut object = body(resource, name);
    object["apiVersion"] = resource.api_version().into();
    object["kind"] = resource.kind.clone().into();
    if object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = name.into();
    }
    if resource.namespaced {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

fn body(resource: &Resource, name: &str) -> Value {
    let about =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "namespace": "extremes" });
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => json!({ "spec": pod_spec() }),
        ("", "Node") => json!({ "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "memory": "1Gi", "pods": "1" },
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } } } }),
        ("", "Service") => {
            json!({ "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] } })
        }
        ("", "Endpoints") => json!({ "subsets": [{ "addresses": [{ "ip": "10.0.0.7" }],
            "ports": [{ "port": 80 }] }] }),
        ("", "Event") => json!({ "involvedObject": about, "reason": "r", "message": "m",
            "type": "Normal", "count": 1, "lastTimestamp": "2025-01-01T00:00:00Z" }),
        ("events.k8s.io", "Event") => json!({ "regarding": about, "reason": "r", "note": "n",
            "type": "Normal", "action": "a", "eventTime": "2025-01-01T00:00:00.000000Z",
            "reportingController": "c", "reportingInstance": "i" }),
        ("discovery.k8s.io", "EndpointSlice") => json!({ "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.7"] }], "ports": [{ "name": "", "port": 80 }] }),
        ("coordination.k8s.io", "Lease") => {
            json!({ "spec": { "holderIdentity": "h", "leaseDurationSeconds": 15 } })
        }
        ("apps", "Deployment" | "ReplicaSet") => json!({ "spec": { "replicas": 1,
            "selector": { "matchLabels": { "app": name } }, "template": template(name) } }),
        ("apiextensions.k8s.io", _) => json!({
            "metadata": { "name": format!("{name}s.test.io") },
            "spec": { "group": "test.io", "scope": "Namespaced",
                "names": { "plural": format!("{name}s"), "singular": name, "kind": "Thing",
                    "listKind": "ThingList" },
                "versions": [{ "name": "v1", "served": true, "storage": true,
                    "additionalPrinterColumns": [{ "name": "N", "type": "integer", "jsonPath": ".n" }],
                    "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                        "n": { "type": "integer" }, "f": { "type": "number" },
                        "s": { "type": "string" },
                        "l": { "type": "array", "items": { "type": "string" } },
                    } } } }] },
        }),
        ("authorization.k8s.io", _) => {
            json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } } })
        }
        ("serving.knative.dev", "Service") => json!({ "spec": {
            "template": { "spec": revision_spec() }, "traffic": [{ "latestRevision": true }] } }),
        ("serving.knative.dev", "Configuration") => {
            json!({ "spec": { "template": { "spec": revision_spec() } } })
        }
        ("serving.knative.dev", "Revision") => json!({ "spec": revision_spec() }),
        ("serving.knative.dev", "Route") => {
            json!({ "spec": { "traffic": [{ "configurationName": "c" }] } })
        }
        ("serving.knative.dev", "DomainMapping") => {
            let to =
                json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "x" });
            json!({ "spec": { "ref": to } })
        }
        ("autoscaling.internal.knative.dev", _) => {
            let of = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "x" });
            json!({ "spec": { "scaleTargetRef": of, "reachability": "Reachable",
                "protocolType": "http1" } })
        }
        ("networking.internal.knative.dev", _) => json!({ "spec": { "namespace": "extremes" } }),
        _ => json!({}),
    }
}

//! Schemas of Knative's own fields, and of the fields that Rouse adds to a status.

use serde_json::{Map, Value, json};

/// An object with these properties and no others.
pub(super) fn object(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties })
}

/// The same, with required properties.
pub(super) fn required(names: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": names, "properties": properties })
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn int64() -> Value {
    json!({ "type": "integer", "format": "int64" })
}

fn int32() -> Value {
    json!({ "type": "integer", "format": "int32" })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn map_of_strings() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// `template`: metadata and spec of the Revisions to come.
pub(super) fn template(revision_spec: &Value) -> Value {
    let mut metadata = object(json!({
        "name": described(
            string(),
            "Name of the Revision; it begins with the parent's name and a dash.",
        ),
        "generateName": string(),
        "namespace": string(),
        "labels": map_of_strings(),
        "annotations": map_of_strings(),
        "finalizers": list(string()),
    }));
    // Clients send metadata that has no meaning here (creationTimestamp).
    metadata["x-kubernetes-preserve-unknown-fields"] = json!(true);
    object(json!({ "metadata": metadata, "spec": revision_spec }))
}

/// The fields of a Revision beside its pod.
pub(super) fn revision_fields() -> Map<String, Value> {
    let fields = json!({
        "containerConcurrency": described(int64(), "Most requests in one pod at a time; 0 is no limit."),
        "timeoutSeconds": described(int64(), "Longest a request may take, waiting included."),
        "responseStartTimeoutSeconds":
            described(int64(), "Longest until the first byte of the answer."),
        "idleTimeoutSeconds": described(int64(), "Longest without a byte of the answer."),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn traffic_target() -> Value {
    object(json!({
        "configurationName": string(),
        "latestRevision": described(
            json!({ "type": "boolean" }),
            "Follow the latest ready Revision.",
        ),
        "percent": described(int64(), "Share of the requests; all targets together make 100."),
        "revisionName": described(string(), "The Revision to send to, whatever comes later."),
        "tag": described(string(), "Gives the target a host of its own."),
        "url": described(string(), "In a status only: where the tag is reached."),
    }))
}

pub(super) fn traffic() -> Value {
    list(traffic_target())
}

fn addressable() -> Value {
    object(json!({
        "CACerts": string(), "audience": string(), "name": string(), "url": string(),
    }))
}

fn conditions() -> Value {
    list(required(
        &["status", "type"],
        json!({
            "lastTransitionTime": string(),
            "message": string(),
            "reason": string(),
            "severity": string(),
            "status": string(),
            "type": string(),
        }),
    ))
}

/// The fields that every status of Knative's has, and `more`.
fn status(more: Value) -> Value {
    let mut properties = json!({
        "annotations": map_of_strings(),
        "conditions": conditions(),
        "observedGeneration": int64(),
    });
    if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), more) {
        all.extend(more);
    }
    object(properties)
}

pub(super) fn service_status() -> Value {
    status(json!({
        "address": addressable(),
        "latestCreatedRevisionName": string(),
        "latestReadyRevisionName": string(),
        "traffic": traffic(),
        "url": string(),
    }))
}

pub(super) fn configuration_status() -> Value {
    status(json!({
        "latestCreatedRevisionName": string(), "latestReadyRevisionName": string(),
    }))
}

pub(super) fn revision_status() -> Value {
    let images = list(object(json!({ "imageDigest": string(), "name": string() })));
    status(json!({
        "actualReplicas": int32(),
        "containerStatuses": images,
        "desiredReplicas": int32(),
        "initContainerStatuses": images,
        "logUrl": string(),
    }))
}

pub(super) fn route_status() -> Value {
    status(json!({
        "address": addressable(),
        "rollout": rollout(),
        "routing": routing(),
        "traffic": traffic(),
        "url": string(),
    }))
}

pub(super) fn domain_mapping_spec() -> Value {
    required(
        &["ref"],
        json!({
            "ref": required(&["kind", "name"], json!({
                "address": string(),
                "apiVersion": string(),
                "group": string(),
                "kind": string(),
                "name": string(),
                "namespace": string(),
            })),
            "tls": required(&["secretName"], json!({ "secretName": string() })),
        }),
    )
}

pub(super) fn domain_mapping_status() -> Value {
    status(json!({ "address": addressable(), "routing": routing(), "url": string() }))
}

/// Rouse's own field: how far traffic has moved to the latest Revisions.
fn rollout() -> Value {
    let revision = object(json!({ "percent": int64(), "revisionName": string() }));
    let steps = object(json!({
        "nextStepTime": int64(),
        "starttime": int64(),
        "stepDuration": int64(),
        "stepSize": int64(),
    }));
    let configuration = object(json!({
        "configurationName": string(),
        "percent": int64(),
        "revisions": list(revision),
        "stepParams": steps,
        "tag": string(),
    }));
    described(
        object(json!({ "configurations": list(configuration) })),
        "The state of gradual rollouts; written by the controller.",
    )
}

/// Rouse's own field: the routes that activators serve.
fn routing() -> Value {
    let share =
        required(&["percent", "revision"], json!({ "percent": int32(), "revision": string() }));
    let tag = required(&["tag"], json!({ "split": list(share.clone()), "tag": string() }));
    let invokers = object(json!({
        "audiences": list(string()),
        "hosts": list(string()),
        "issuers": list(string()),
        "members": list(string()),
    }));
    let host = object(json!({
        "callers": object(json!({ "invokers": invokers, "networks": list(string()) })),
        "headerTags": list(tag),
        "http": string(),
        "local": list(string()),
        "public": list(string()),
        "rewriteHost": string(),
        "split": list(share),
        "tag": string(),
        "tlsSecret": string(),
    }));
    described(
        object(json!({ "hosts": list(host), "version": int64() })),
        "What activators route by; written by the controller.",
    )
}

pub(super) fn pod_autoscaler_spec() -> Value {
    required(
        &["protocolType", "scaleTargetRef"],
        json!({
            "containerConcurrency": int64(),
            "protocolType": string(),
            "reachability": string(),
            "scaleTargetRef": {
                "type": "object",
                "properties": { "apiVersion": string(), "kind": string(), "name": string() },
                "x-kubernetes-map-type": "atomic",
            },
        }),
    )
}

pub(super) fn pod_autoscaler_status() -> Value {
    let change = object(json!({
        "from": int32(),
        "message": string(),
        "panic": number(),
        "queued": int32(),
        "ready": int32(),
        "reason": string(),
        "stable": number(),
        "target": number(),
        "time": string(),
        "to": int32(),
    }));
    status(json!({
        "actualScale": int32(),
        "decisions": described(list(change), "The last changes of scale, newest first."),
        "desiredScale": int32(),
        "metricsServiceName": string(),
        "serviceName": string(),
    }))
}

//! Protobuf bodies, as kubectl 1.32 sends them, mean what the same objects mean in JSON.
//!
//! `protobuf.json` holds what that kubectl sent for each command, and what it printed for the same
//! with `--dry-run=client -o json`.

use base64::Engine;
use rouse_apiserver::Storage;
use serde_json::{Value, json};

use crate::common::{ask, cluster_with};

const PROTOBUF: &[(&str, &str)] = &[
    ("content-type", "application/vnd.kubernetes.protobuf"),
    ("accept", "application/vnd.kubernetes.protobuf,application/json"),
];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn recorded() -> Vec<(String, String, Vec<u8>, Value)> {
    let cases: Vec<Value> = serde_json::from_str(include_str!("protobuf.json")).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let bytes = |v: &Value| base64::engine::general_purpose::STANDARD.decode(text(v)).unwrap();
    cases
        .into_iter()
        .map(|c| (text(&c["command"]), text(&c["path"]), bytes(&c["protobuf"]), c["json"].clone()))
        .collect()
}

/// Without the fields that differ from one creation to the next.
fn lasting(mut object: Value) -> Value {
    for field in ["uid", "creationTimestamp", "resourceVersion"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
        port.as_object_mut().unwrap().remove("nodePort");
    }
    for field in ["clusterIP", "clusterIPs"] {
        if let Some(spec) = object["spec"].as_object_mut() {
            spec.remove(field);
        }
    }
    object
}

#[tokio::test]
async fn what_kubectl_sends_in_protobuf_is_what_it_means_in_json() {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    for (command, path, bytes, json) in recorded() {
        let path = format!("{path}?dryRun=All&fieldValidation=Strict");
        let sent = ask(&cluster, "POST", &path, PROTOBUF, bytes).await;
        assert_eq!(sent.code, 201, "{command}: {}", sent.json());
        assert_eq!(sent.header("content-type"), "application/json");
        let same = ask(&cluster, "POST", &path, JSON, json.to_string()).await;
        assert_eq!(lasting(sent.json()), lasting(same.json()), "{command}");
    }
}

#[tokio::test]
async fn malformed_protobuf_or_that_of_another_kind_is_refused_with_a_hint() {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let (_, maps, bytes, _) = recorded().swap_remove(1);
    let post = async |path: &str, bytes: Vec<u8>| {
        let answer = ask(&cluster, "POST", path, PROTOBUF, bytes).await;
        (answer.code, answer.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    let (code, message) = post(&maps, b"{\"kind\":\"ConfigMap\"}".to_vec()).await;
    assert_eq!(code, 400);
    assert!(message.contains("does not begin with") && message.contains("application/json"));
    let cut = bytes[..bytes.len() - 5].to_vec();
    let (code, message) = post(&maps, cut).await;
    assert!(code == 400 && message.contains("cut off"), "{message}");
    let (code, message) = post("/api/v1/namespaces/default/secrets", bytes.clone()).await;
    assert!(code == 400 && message.contains("cannot be handled as a Secret"), "{message}");
    let toys = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "toys.ex.io" }, "spec": { "group": "ex.io", "scope": "Namespaced",
            "names": { "plural": "toys", "kind": "Toy" }, "versions": [{ "name": "v1", "served": true,
                "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }] } });
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(ask(&cluster, "POST", crds, JSON, toys.to_string()).await.code, 201);
    let (code, message) = post("/apis/ex.io/v1/namespaces/default/toys", bytes).await;
    assert!(code == 415 && message.contains("no protobuf form"), "{message}");
}

#[tokio::test]
async fn delete_options_may_be_protobuf() {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let (_, maps, bytes, _) = recorded().swap_remove(1);
    ask(&cluster, "POST", &maps, PROTOBUF, bytes).await;
    // DeleteOptions with preconditions 2 { uid 1 = "no" }
    let how = b"k8s\0\x0a\x13\x0a\x02v1\x12\x0dDeleteOptions\x12\x06\x12\x04\x0a\x02no";
    let path = format!("{maps}/settings");
    let answer = ask(&cluster, "DELETE", &path, PROTOBUF, how.to_vec()).await;
    assert_eq!(answer.code, 409, "{}", answer.json());
    assert!(answer.json()["message"].as_str().unwrap().contains("UID in the precondition (no)"));
}

//! Recorded answers of a real API server, and this one's answers to the same requests.
//!
//! `statuses.json` was recorded from Kubernetes 1.36. Times, uids, versions and field managers
//! are left out. Where this server differs on purpose, [`DIFFERS`] says what it answers instead.

use rouse_apiserver::{Cluster, Storage};
use serde_json::{Value, json};

use crate::common::{Answer, ask, cluster_with};

/// Name, code and the beginning of the message of answers that are not the real server's.
const DIFFERS: [(&str, u16, &str); 11] = [
    // There is no CBOR, and answers are JSON alone: the lists of accepted media types are shorter.
    (
        "bad_ctype",
        415,
        "the body of the request was in an unknown format - accepted media types include: application/json",
    ),
    (
        "not_acceptable",
        406,
        "406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch",
    ),
    (
        "cr_smp",
        415,
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json",
    ),
    // The JSON parser words its errors differently.
    (
        "bad_json",
        400,
        "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ",
    ),
    // The real server adds the error of its own store.
    (
        "put_uid_conflict",
        409,
        "Operation cannot be fulfilled on configmaps \"g1\": Precondition failed: UID in precondition: 0000",
    ),
    // Our tokens have another form, so the parser's error is missing.
    ("bad_continue", 400, "invalid continue token: continue key is not valid"),
    // Our message says which operation failed.
    (
        "patch_jsonpatch_testfail",
        422,
        "the server rejected our request due to an error in our request: operation",
    ),
    ("watch_sie", 422, "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden"),
    (
        "watch_sie_nomatch",
        422,
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden",
    ),
    (
        "watch_sie_nobookmark",
        422,
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden",
    ),
    // The real server names the problem twice.
    (
        "add_finalizer_while_deleting",
        422,
        "ConfigMap \"f1\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added",
    ),
];

fn crd() -> Value {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let column =
        |name: &str, path: &str| json!({ "name": name, "type": "string", "jsonPath": path });
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "services.serving.knative.dev" },
        "spec": { "group": "serving.knative.dev", "scope": "Namespaced",
            "names": { "plural": "services", "singular": "service", "kind": "Service", "listKind": "ServiceList" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "additionalPrinterColumns": [
                    column("URL", ".status.url"),
                    column("LatestCreated", ".status.latestCreatedRevisionName"),
                    column("LatestReady", ".status.latestReadyRevisionName"),
                    column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
                    column("Reason", ".status.conditions[?(@.type=='Ready')].reason")],
                "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "properties": { "template": { "type": "object", "properties": {
                        "spec": { "type": "object", "properties": {
                            "timeoutSeconds": { "type": "integer" },
                            "containers": { "type": "array", "items": open } } } } } } },
                    "status": open } } } }] } })
}

fn cluster() -> Cluster {
    let web = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    cluster_with(Storage::Memory, vec![crd(), web])
}

async fn replay(cluster: &Cluster, case: &Value) -> Answer {
    let text = |field: &str| case[field].as_str();
    let headers: Vec<(&str, &str)> = [("content-type", text("type")), ("accept", text("accept"))]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let body = text("body").unwrap_or_default().to_owned();
    ask(cluster, text("method").unwrap(), text("path").unwrap(), &headers, body).await
}

/// Without what differs from run to run, as the recorded answers are.
fn clean(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(k, _)| {
                !["managedFields", "description", "resourceVersion"].contains(&k.as_str())
            })
            .map(|(k, v)| (k.clone(), clean(v)))
            .collect(),
        Value::Array(list) => list.iter().map(clean).collect(),
        Value::String(text) => clean_text(text).into(),
        other => other.clone(),
    }
}

/// Replaces times, ages and random names by placeholders.
fn clean_text(text: &str) -> String {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return "TIME".to_owned();
    }
    if text.strip_suffix('s').is_some_and(|n| n.parse::<u32>().is_ok()) {
        return "AGE".to_owned();
    }
    if text.starts_with("g-") && text.len() == 7 {
        return "g-zc5m9".to_owned();
    }
    let mut words = Vec::new();
    for word in text.split_inclusive([' ', ')', '.']) {
        let bare = word.trim_start_matches('(').trim_end_matches([' ', ')', '.']);
        let random = bare.len() == 36 && uuid::Uuid::parse_str(bare).is_ok_and(|id| !id.is_nil());
        words.push(if random { word.replace(bare, "UID") } else { word.to_owned() });
    }
    words.concat()
}

/// The first difference of an answer from the recorded one.
fn difference(case: &Value, answer: &Answer) -> Option<String> {
    let header = |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok());
    let name = case["name"].as_str().unwrap();
    if let Some((_, code, message)) = DIFFERS.iter().find(|(n, _, _)| *n == name) {
        let ours = answer.json();
        let same = answer.code == *code
            && ours["message"].as_str().is_some_and(|m| m.starts_with(message));
        return (!same).then(|| format!("{} {ours}", answer.code));
    }
    if u64::from(answer.code) != case["code"] {
        return Some(format!("code {} {:?}", answer.code, answer.body));
    }
    for (field, name) in [("warning", "warning"), ("retry_after", "retry-after")] {
        if case[field].as_str() != header(name) {
            return Some(format!("{name}: {:?}", header(name)));
        }
    }
    if let Some(text) = case["text"].as_str() {
        let ours = String::from_utf8_lossy(&answer.body);
        return (ours.trim() != text).then(|| ours.into_owned());
    }
    if let Some(events) = case["events"].as_array() {
        let text = String::from_utf8_lossy(&answer.body);
        let ours: Vec<Value> =
            text.lines().map(|l| clean(&serde_json::from_str(l).unwrap())).collect();
        return (&ours != events).then(|| format!("{ours:?}"));
    }
    if case["answer"].is_null() {
        return None;
    }
    let ours = clean(&answer.json());
    (without_message(&ours) != without_message(&case["answer"])
        || clean_message(&ours) != clean_message(&case["answer"]))
    .then(|| format!("{ours}\nrecorded: {}", case["answer"]))
}

fn without_message(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.remove("message");
    }
    value
}

/// The newest version in a message differs from run to run.
fn clean_message(value: &Value) -> String {
    let text = value["message"].as_str().unwrap_or_default();
    text.split(", current: ").next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_as_the_real_server_does() {
    let cluster = cluster();
    let web = json!({ "method": "PATCH", "path": "/apis/apps/v1/namespaces/default/deployments/web/status",
        "type": "application/merge-patch+json", "body": "{\"status\":{\"replicas\":3}}" });
    assert_eq!(replay(&cluster, &web).await.code, 200);
    let cases: Vec<Value> = serde_json::from_str(include_str!("statuses.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let answer = replay(&cluster, case).await;
        if let Some(difference) = difference(case, &answer) {
            wrong.push(format!("{}: {difference}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

//! Kinds that are served in several versions: each write is decoded in its own, and all show one object.

use rouse_apiserver::{Cluster, Storage};
use serde_json::{Value, json};

use crate::common::{Answer, ask, cluster_with};

const NEWER: &str = "/apis/events.k8s.io/v1/namespaces/default/events";
const CORE: &str = "/api/v1/namespaces/default/events";
const MERGE: &[(&str, &str)] = &[("content-type", "application/merge-patch+json")];

fn event() -> Value {
    json!({ "metadata": { "name": "e" }, "eventTime": "2030-01-01T00:00:00.000000Z", "note": "hello",
        "reason": "R", "type": "Normal", "action": "A", "reportingController": "c", "reportingInstance": "i",
        "regarding": { "kind": "Pod", "namespace": "default", "name": "p" } })
}

async fn get(cluster: &Cluster, path: &str) -> Answer {
    ask(cluster, "GET", path, &[], "").await
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

async fn with_event() -> Cluster {
    let cluster = cluster_with(Storage::Memory, Vec::new());
    let made = ask(&cluster, "POST", NEWER, &[], event().to_string()).await;
    assert_eq!(made.code, 201, "{}", made.json());
    assert_eq!((&made.json()["note"], &made.json()["message"]), (&json!("hello"), &Value::Null));
    cluster
}

#[tokio::test]
async fn an_event_of_either_group_is_seen_in_both() {
    let cluster = with_event().await;
    let core = get(&cluster, &format!("{CORE}/e")).await.json();
    assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("hello"), &json!("p")));
    assert_eq!((&core["apiVersion"], &core["note"]), (&json!("v1"), &Value::Null));
    let listed = get(&cluster, NEWER).await.json();
    assert_eq!(
        (&listed["items"][0]["note"], &listed["items"][0]["apiVersion"]),
        (&json!("hello"), &json!("events.k8s.io/v1"))
    );
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let path = format!("{NEWER}?includeObject=Object");
    let rows = ask(&cluster, "GET", &path, &table, "").await.json();
    assert_eq!(rows["rows"][0]["object"]["regarding"]["name"], "p");
    assert_eq!(ask(&cluster, "DELETE", &format!("{NEWER}/e"), &[], "").await.code, 200);
    assert_eq!(get(&cluster, &format!("{CORE}/e")).await.code, 404);
}

#[tokio::test]
async fn events_are_selected_by_the_fields_of_their_group() {
    let cluster = with_event().await;
    let count = async |path: &str, selector: &str| {
        let listed = get(&cluster, &format!("{path}?fieldSelector={selector}")).await;
        assert_eq!(listed.code, 200, "{}", listed.json());
        listed.json()["items"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count(NEWER, "regarding.name%3Dp,reportingController%3Dc").await, 1);
    assert_eq!(count(NEWER, "regarding.name%3Dq").await, 0);
    assert_eq!(count(CORE, "involvedObject.name%3Dp,reportingComponent%3Dc").await, 1);
    let refused = get(&cluster, &format!("{NEWER}?fieldSelector=involvedObject.name%3Dp")).await;
    assert_eq!(refused.code, 400);
}

#[tokio::test]
async fn a_dry_run_of_an_event_changes_nothing() {
    let cluster = with_event().await;
    let path = format!("{NEWER}/e");
    let before = get(&cluster, &path).await.json();
    let mut other = event();
    other["metadata"]["name"] = "dry".into();
    other["note"] = "changed".into();
    let dry = ask(&cluster, "POST", &format!("{NEWER}?dryRun=All"), &[], other.to_string()).await;
    assert_eq!((dry.code, &dry.json()["note"]), (201, &json!("changed")));
    assert_eq!(get(&cluster, &format!("{NEWER}/dry")).await.code, 404);
    other["metadata"]["name"] = "e".into();
    let once = format!("{path}?dryRun=All");
    let dry = ask(&cluster, "PUT", &once, &[], other.to_string()).await;
    assert_eq!((dry.code, &dry.json()["note"]), (200, &json!("changed")));
    let dry = ask(&cluster, "PATCH", &once, MERGE, r#"{"note":"changed"}"#).await;
    assert_eq!((dry.code, &dry.json()["note"]), (200, &json!("changed")));
    assert_eq!(ask(&cluster, "DELETE", &once, &[], "").await.code, 200);
    assert_eq!(get(&cluster, &path).await.json(), before);
    assert_eq!(ask(&cluster, "PUT", &format!("{path}?dryRun=Some"), &[], "{}").await.code, 400);
}

#[tokio::test]
async fn fields_of_an_event_are_validated_as_the_writer_asks() {
    let cluster = with_event().await;
    let path = format!("{NEWER}/e");
    // The core group's name of a field is no field of this group.
    let mut sent = event();
    sent["message"] = "core".into();
    let strict = format!("{path}?fieldValidation=Strict");
    let refused = ask(&cluster, "PUT", &strict, &[], sent.to_string()).await;
    assert_eq!(refused.code, 400, "{}", refused.json());
    let words = r#"strict decoding error: unknown field "message""#;
    assert!(message(&refused).contains(words), "{}", message(&refused));
    let refused = ask(&cluster, "PATCH", &strict, MERGE, r#"{"message":"core"}"#).await;
    assert_eq!(refused.code, 422, "{}", refused.json());
    assert!(message(&refused).contains(words), "{}", message(&refused));
    let warned = ask(&cluster, "PUT", &path, &[], sent.to_string()).await;
    assert_eq!((warned.code, &warned.json()["note"]), (200, &json!("hello")));
    assert_eq!(warned.header("warning"), r#"299 - "unknown field \"message\"""#);
    let doubled = r#"{"metadata":{"name":"e"},"note":"a","note":"b"}"#;
    let refused = ask(&cluster, "PUT", &strict, &[], doubled).await;
    assert!(message(&refused).contains(r#"duplicate field "note""#), "{}", message(&refused));
    let odd = ask(&cluster, "PUT", &format!("{path}?fieldValidation=Odd"), &[], "{}").await;
    assert_eq!(odd.code, 400);
}

#[tokio::test]
async fn every_kind_of_patch_of_an_event_is_read_by_its_media_type() {
    let cluster = with_event().await;
    let path = format!("{NEWER}/e");
    let patch = async |media: &str, body: &str| {
        ask(&cluster, "PATCH", &path, &[("content-type", media)], body.to_owned()).await
    };
    let json_patch = r#"[{"op":"test","path":"/note","value":"hello"},{"op":"replace","path":"/note","value":"one"}]"#;
    let patched = patch("application/json-patch+json", json_patch).await;
    assert_eq!((patched.code, &patched.json()["note"]), (200, &json!("one")));
    assert_eq!(patch("application/json-patch+json", json_patch).await.code, 422, "the test fails");
    let patched = patch("application/merge-patch+json", r#"{"note":"two","action":null}"#).await;
    assert_eq!((patched.code, &patched.json()["note"]), (200, &json!("two")));
    assert_eq!(patched.json()["action"], Value::Null);
    let patched = patch("application/strategic-merge-patch+json", r#"{"note":"three"}"#).await;
    assert_eq!((patched.code, &patched.json()["note"]), (200, &json!("three")));
    let applied = patch("application/apply-patch+yaml", r#"{"note":"four"}"#).await;
    assert_eq!(applied.code, 422, "an apply names its manager");
    assert!(message(&applied).contains("is required for apply patch"));
    assert_eq!(patch("application/json", r#"{"note":"four"}"#).await.code, 415);
    let refused = patch("application/merge-patch+json", r#"{"note":7}"#).await;
    assert_eq!(refused.code, 400, "{}", refused.json());
    let core = get(&cluster, &format!("{CORE}/e")).await.json();
    assert_eq!(core["message"], "three");
}

#[tokio::test]
async fn the_body_of_an_event_is_an_object_of_its_kind() {
    let cluster = with_event().await;
    let path = format!("{NEWER}/e");
    for body in [
        "[]",
        "7",
        "\"x\"",
        "null",
        "{",
        "",
        r#"{"kind":"Pod"}"#,
        r#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"}}"#,
        r#"{"metadata":{"name":"e"},"note":7}"#,
        r#"{"metadata":{"name":"e"},"regarding":[]}"#,
    ] {
        let created = ask(&cluster, "POST", NEWER, &[], body).await;
        let replaced = ask(&cluster, "PUT", &path, &[], body).await;
        assert_eq!((created.code, replaced.code), (400, 400), "{body}: {}", replaced.json());
    }
    for media in ["json-patch", "merge-patch", "strategic-merge-patch"] {
        let media = format!("application/{media}+json");
        for body in ["7", "\"x\"", "null", "{", ""] {
            let headers = [("content-type", media.as_str())];
            let refused = ask(&cluster, "PATCH", &path, &headers, body).await;
            assert_eq!(refused.code, 400, "{media} {body:?}: {}", refused.json());
        }
    }
    assert_eq!(get(&cluster, &path).await.json()["note"], "hello");
}

#[tokio::test]
async fn a_custom_object_is_stored_in_one_version_and_served_in_all() {
    let version = |name: &str, storage: bool| {
        json!({ "name": name, "served": true, "storage": storage, "schema": { "openAPIV3Schema": {
            "type": "object", "properties": { "spec": { "type": "object",
                "properties": { "n": { "type": "integer" } } } } } } })
    };
    let crd = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "tests.x.io" },
        "spec": { "group": "x.io", "scope": "Namespaced", "names": { "plural": "tests", "kind": "Test" },
            "versions": [version("v1", true), version("v1beta1", false)] } });
    let cluster = cluster_with(Storage::Memory, vec![crd]);
    let path = |version: &str| format!("/apis/x.io/{version}/namespaces/default/tests");
    let body = json!({ "metadata": { "name": "a" }, "spec": { "n": 1 } });
    let made = ask(&cluster, "POST", &path("v1beta1"), &[], body.to_string()).await;
    assert_eq!((made.code, &made.json()["apiVersion"]), (201, &json!("x.io/v1beta1")));
    for version in ["v1", "v1beta1"] {
        let one = get(&cluster, &format!("{}/a", path(version))).await.json();
        assert_eq!(one["apiVersion"], format!("x.io/{version}"));
        let all = get(&cluster, &path(version)).await.json();
        assert_eq!(all["items"][0]["apiVersion"], format!("x.io/{version}"));
    }
    let again =
        ask(&cluster, "PATCH", &format!("{}/a", path("v1")), MERGE, r#"{"spec":{"n":1}}"#).await;
    assert_eq!(
        again.json()["metadata"]["resourceVersion"],
        made.json()["metadata"]["resourceVersion"],
        "nothing changed"
    );
}

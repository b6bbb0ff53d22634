//! The API by requests and answers that the recorded ones do not cover.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use kube::core::admission::AdmissionResponse;
use rouse_apiserver::admission::{Hook, Phase, Rule};
use rouse_apiserver::{Cluster, KubeletService, Storage};
use serde_json::{Value, json};
use tower::service_fn;

use crate::common::{Answer, ask, cluster_with};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const MERGE: &[(&str, &str)] = &[("content-type", "application/merge-patch+json")];

fn cluster() -> Cluster {
    cluster_with(Storage::Memory, Vec::new())
}

async fn get(cluster: &Cluster, path: &str) -> Answer {
    ask(cluster, "GET", path, &[], "").await
}

async fn post(cluster: &Cluster, path: &str, body: &Value) -> Answer {
    ask(cluster, "POST", path, JSON, body.to_string()).await
}

async fn merge(cluster: &Cluster, path: &str, body: &Value) -> Answer {
    ask(cluster, "PATCH", path, MERGE, body.to_string()).await
}

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const BOOKS: &str = "/apis/lib.io/v1/namespaces/default/books";

fn crd(selectable: Value) -> Value {
    json!({ "metadata": { "name": "books.lib.io" }, "spec": { "group": "lib.io", "scope": "Namespaced",
        "names": { "plural": "books", "singular": "book", "kind": "Book", "listKind": "BookList" },
        "versions": [{ "name": "v1", "served": true, "storage": true, "selectableFields": selectable,
            "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object",
                "properties": { "title": { "type": "string" } } } } } } }] } })
}

fn map(name: &str, app: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": app } } })
}

fn words(events: &[Value]) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    events.iter().map(|e| (text(&e["type"]), text(&e["object"]["metadata"]["name"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn version(answer: &Answer) -> String {
    answer.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn discovery_is_served_in_both_forms_and_not_sent_twice() {
    let cluster = cluster();
    let accept =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let first = ask(&cluster, "GET", "/apis", &[("accept", accept)], "").await;
    assert_eq!(
        first.header("content-type"),
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    );
    let groups = first.json();
    let apps = groups["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps");
    let resources = apps.unwrap()["versions"][0]["resources"].as_array().unwrap();
    let deployments = resources.iter().find(|r| r["resource"] == "deployments").unwrap();
    assert_eq!(deployments["shortNames"], json!(["deploy"]));
    let etag = first.header("etag");
    let headers = [("accept", accept), ("if-none-match", etag)];
    assert_eq!(ask(&cluster, "GET", "/apis", &headers, "").await.code, 304);

    let legacy = get(&cluster, "/apis/apps/v1").await.json();
    let names: Vec<_> =
        legacy["resources"].as_array().unwrap().iter().map(|r| &r["name"]).collect();
    assert!(names.contains(&&json!("deployments/scale")), "{names:?}");
    assert_eq!(get(&cluster, "/version").await.json()["gitVersion"], "v1.35.0");
}

#[tokio::test]
async fn a_crd_changes_discovery_and_openapi_at_once() {
    let cluster = cluster();
    let headers =
        [("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")];
    let before = ask(&cluster, "GET", "/apis", &headers, "").await;
    let made = post(&cluster, CRDS, &crd(json!([]))).await;
    assert_eq!(made.code, 201);
    let after = ask(&cluster, "GET", "/apis", &headers, "").await;
    assert_ne!(before.header("etag"), after.header("etag"));
    let index = get(&cluster, "/openapi/v3").await.json();
    let url = index["paths"]["apis/lib.io/v1"]["serverRelativeURL"].as_str().unwrap();
    let document = get(&cluster, url).await.json();
    let patch = &document["paths"]["/apis/lib.io/v1/namespaces/{namespace}/books/{name}"]["patch"];
    assert!(patch["parameters"].to_string().contains("fieldValidation"), "{document}");
    assert_eq!(post(&cluster, BOOKS, &map("b", "x")).await.code, 201);
}

#[tokio::test]
async fn bodies_that_are_no_objects_or_too_large_are_refused() {
    let cluster = cluster();
    for body in ["[]", "\"x\"", "7", "null"] {
        assert_eq!(ask(&cluster, "POST", MAPS, JSON, body).await.code, 400, "{body}");
    }
    post(&cluster, MAPS, &map("a", "x")).await;
    assert_eq!(ask(&cluster, "PATCH", &format!("{MAPS}/a"), MERGE, "[]").await.code, 400);
    let large = ask(&cluster, "POST", MAPS, JSON, vec![b' '; (3 << 20) + 1]).await;
    assert_eq!((large.code, large.json()["reason"].as_str()), (413, Some("RequestEntityTooLarge")));
}

#[tokio::test(start_paused = true)]
async fn a_watch_shows_objects_coming_into_and_falling_out_of_its_selection() {
    let cluster = cluster();
    let start = version(&get(&cluster, MAPS).await);
    post(&cluster, MAPS, &map("a", "web")).await;
    post(&cluster, MAPS, &map("b", "db")).await;
    merge(&cluster, &format!("{MAPS}/b"), &json!({ "metadata": { "labels": { "app": "web" } } }))
        .await;
    merge(&cluster, &format!("{MAPS}/a"), &json!({ "metadata": { "labels": { "app": "db" } } }))
        .await;
    merge(&cluster, &format!("{MAPS}/a"), &json!({ "data": { "x": "y" } })).await;
    ask(&cluster, "DELETE", &format!("{MAPS}/b"), &[], "").await;
    let path = format!(
        "{MAPS}?watch=true&labelSelector=app%3Dweb&resourceVersion={start}&timeoutSeconds=5"
    );
    let seen = words(&get(&cluster, &path).await.events());
    assert_eq!(seen, pairs(&[("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b")]));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_gets_bookmarks_with_recent_versions() {
    let cluster = cluster();
    let start = version(&get(&cluster, MAPS).await);
    post(&cluster, "/api/v1/namespaces/default/secrets", &map("other", "x")).await;
    let path = format!(
        "{MAPS}?watch=true&allowWatchBookmarks=true&resourceVersion={start}&timeoutSeconds=15"
    );
    let events = get(&cluster, &path).await.events();
    assert_eq!(events.len(), 2, "one on the way, one at the end: {events:?}");
    let mark = &events[0];
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    let place: u64 =
        mark["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(place > start.parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_table_watch_names_its_columns_once() {
    let cluster = cluster();
    let start = version(&get(&cluster, MAPS).await);
    post(&cluster, MAPS, &map("a", "x")).await;
    post(&cluster, MAPS, &map("b", "x")).await;
    let path = format!("{MAPS}?watch=true&resourceVersion={start}&timeoutSeconds=1");
    let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let events = ask(&cluster, "GET", &path, &headers, "").await.events();
    assert!(events[0]["object"]["columnDefinitions"].is_array());
    assert!(events[1]["object"]["columnDefinitions"].is_null());
    assert_eq!(events[1]["object"]["rows"][0]["cells"][0], "b");
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_version_long_gone_gets_an_error_event() {
    let cluster = cluster();
    post(&cluster, MAPS, &map("a", "x")).await;
    let start = version(&get(&cluster, MAPS).await);
    for n in 0..4100 {
        let change = json!({ "data": { "n": n.to_string() } });
        merge(&cluster, &format!("{MAPS}/a"), &change).await;
    }
    let answer = get(&cluster, &format!("{MAPS}?watch=1&resourceVersion={start}")).await;
    let events = answer.events();
    assert_eq!((answer.code, events.len()), (200, 1));
    assert_eq!((&events[0]["type"], &events[0]["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(events[0]["object"]["reason"], "Expired");
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::File(dir.path().join("state.redb"));
    let cluster = cluster_with(storage.clone(), Vec::new());
    let start = version(&get(&cluster, MAPS).await);
    post(&cluster, MAPS, &map("a", "x")).await;
    merge(&cluster, &format!("{MAPS}/a"), &json!({ "data": { "k": "v" } })).await;
    ask(&cluster, "DELETE", &format!("{MAPS}/a"), &[], "").await;
    let last = version(&get(&cluster, MAPS).await);
    cluster.close();
    drop(cluster);

    let cluster = cluster_with(storage, Vec::new());
    let path = format!("{MAPS}?watch=1&resourceVersion={start}&timeoutSeconds=1");
    let seen = words(&get(&cluster, &path).await.events());
    assert_eq!(seen, pairs(&[("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]));
    let next = version(&post(&cluster, MAPS, &map("b", "x")).await);
    assert!(next.parse::<u64>().unwrap() > last.parse().unwrap());
}

fn hook(phase: Phase, answer: fn(AdmissionResponse, &Value) -> AdmissionResponse) -> Hook {
    Hook {
        name: "check.example.dev".to_owned(),
        phase,
        rules: vec![Rule {
            group: String::new(),
            resources: vec!["configmaps".to_owned()],
            operations: ["CREATE", "UPDATE", "DELETE"].map(str::to_owned).to_vec(),
        }],
        review: Arc::new(move |request| {
            let object = serde_json::to_value(&request.object).unwrap();
            answer(AdmissionResponse::from(request), &object)
        }),
    }
}

#[tokio::test]
async fn hooks_change_and_refuse_what_is_written() {
    let cluster = cluster();
    let label = hook(Phase::Mutating, |response, _| {
        let patch = json!([{ "op": "add", "path": "/data", "value": { "by": "hook" } }]);
        response.with_patch(serde_json::from_value(patch).unwrap()).unwrap()
    });
    let refuse = hook(Phase::Validating, |response, object| {
        if object.is_null() {
            return response.deny("nothing is deleted here");
        }
        match object["metadata"]["name"].as_str() {
            Some("bad") => response.deny("validation failed: must not be set(s): spec.x"),
            _ => response,
        }
    });
    cluster.set_hooks(vec![label, refuse]);
    assert_eq!(post(&cluster, MAPS, &map("good", "x")).await.json()["data"]["by"], "hook");
    let refused = post(&cluster, MAPS, &map("bad", "x")).await.json();
    assert_eq!(
        refused["message"],
        "admission webhook \"check.example.dev\" denied the request: validation failed: must not be set(s): spec.x"
    );
    assert_eq!(get(&cluster, &format!("{MAPS}/bad")).await.code, 404);
    let kept = ask(&cluster, "DELETE", &format!("{MAPS}/good"), &[], "").await.json();
    assert_eq!(
        kept["message"],
        "admission webhook \"check.example.dev\" denied the request: nothing is deleted here"
    );
    let secrets = "/api/v1/namespaces/default/secrets";
    assert!(post(&cluster, secrets, &map("bad", "x")).await.json()["data"].is_null());
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector_and_a_dry_run_deletes_nothing() {
    let cluster = cluster();
    for (name, app) in [("a", "web"), ("b", "db"), ("c", "web")] {
        post(&cluster, MAPS, &map(name, app)).await;
    }
    let path = format!("{MAPS}?labelSelector=app%3Dweb");
    ask(&cluster, "DELETE", &format!("{path}&dryRun=All"), &[], "").await;
    assert_eq!(get(&cluster, &path).await.json()["items"].as_array().unwrap().len(), 2);
    let gone = ask(&cluster, "DELETE", &path, &[], "").await.json();
    assert_eq!(
        (&gone["kind"], gone["items"].as_array().unwrap().len()),
        (&json!("ConfigMapList"), 2)
    );
    assert_eq!(get(&cluster, MAPS).await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_patch_with_an_old_version_conflicts_and_one_without_does_not() {
    let cluster = cluster();
    let first = version(&post(&cluster, MAPS, &map("a", "x")).await);
    merge(&cluster, &format!("{MAPS}/a"), &json!({ "data": { "k": "1" } })).await;
    let old = json!({ "metadata": { "resourceVersion": first }, "data": { "k": "2" } });
    assert_eq!(merge(&cluster, &format!("{MAPS}/a"), &old).await.code, 409);
    let cleared = json!({ "metadata": { "labels": { "app": null } } });
    let answer = merge(&cluster, &format!("{MAPS}/a"), &cleared).await.json();
    assert!(answer["metadata"].get("labels").is_none(), "an empty map is left out: {answer}");
    let same = merge(&cluster, &format!("{MAPS}/a"), &json!({})).await.json();
    assert_eq!(same["metadata"]["resourceVersion"], answer["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_terminating_namespace_refuses_creations_and_some_are_never_deleted() {
    let cluster = cluster();
    let space = json!({ "metadata": { "name": "team" } });
    post(&cluster, "/api/v1/namespaces", &space).await;
    let maps = "/api/v1/namespaces/team/configmaps";
    ask(&cluster, "DELETE", "/api/v1/namespaces/team", &[], "").await;
    let refused = post(&cluster, maps, &map("late", "x")).await;
    assert_eq!(refused.code, 403);
    let causes = &refused.json()["details"]["causes"];
    assert_eq!(causes[0]["reason"], "NamespaceTerminating");
    assert_eq!(ask(&cluster, "DELETE", "/api/v1/namespaces/default", &[], "").await.code, 403);
}

#[tokio::test]
async fn logs_come_from_the_node_and_unserved_subresources_are_refused_by_name() {
    let cluster = cluster();
    let kubelet = service_fn(|request: http::Request<Bytes>| async move {
        let said = request.uri().to_string();
        let body = Full::new(Bytes::from(said)).map_err(|never| match never {}).boxed();
        Ok(http::Response::new(body))
    });
    cluster.register_kubelet("n", KubeletService::new(kubelet));
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n", "containers": [{ "name": "c", "image": "i" }] } });
    assert_eq!(post(&cluster, PODS, &pod).await.code, 201);
    let log = get(&cluster, &format!("{PODS}/p/log?container=c&tailLines=5&follow=true")).await;
    assert_eq!(log.body, "/containerLogs/default/p/c?tailLines=5&follow=true");
    let other = get(&cluster, &format!("{PODS}/p/log?container=x")).await;
    assert_eq!(other.json()["message"], "container x is not valid for pod p");
    let exec = ask(&cluster, "POST", &format!("{PODS}/p/exec?command=ls"), &[], "").await;
    assert_eq!(
        (exec.code, exec.json()["message"].as_str()),
        (501, Some("pods/exec is not served by Rouse yet"))
    );
}

#[tokio::test]
async fn a_nodes_own_paths_are_read_through_its_proxy() {
    let cluster = cluster();
    let kubelet = service_fn(|request: http::Request<Bytes>| async move {
        let said = format!("{} {}", request.method(), request.uri());
        let body = Full::new(Bytes::from(said)).map_err(|never| match never {}).boxed();
        Ok(http::Response::new(body))
    });
    cluster.register_kubelet("n", KubeletService::new(kubelet));
    for name in ["n", "silent"] {
        let node = json!({ "metadata": { "name": name } });
        assert_eq!(post(&cluster, "/api/v1/nodes", &node).await.code, 201);
    }
    for name in ["n", "n:10250", "https:n:10250"] {
        let summary = get(&cluster, &format!("/api/v1/nodes/{name}/proxy/stats/summary")).await;
        assert_eq!((summary.code, &summary.body[..]), (200, &b"GET /stats/summary"[..]), "{name}");
    }
    for (name, code) in [("silent", 503), ("missing", 404), ("a:b:c:d", 400)] {
        let answer = get(&cluster, &format!("/api/v1/nodes/{name}/proxy/healthz")).await;
        assert_eq!(answer.code, code, "{name}");
    }
    let run = ask(&cluster, "POST", "/api/v1/nodes/n/proxy/run/default/p/c", &[], "").await;
    assert_eq!(run.code, 405);
}

#[tokio::test]
async fn scale_reads_and_writes_the_replicas_of_its_object() {
    let cluster = cluster();
    let web = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "w" } },
        "template": { "metadata": { "labels": { "app": "w" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    post(&cluster, deployments, &web).await;
    let scale = format!("{deployments}/web/scale");
    let mut read = get(&cluster, &scale).await.json();
    assert_eq!(
        (&read["spec"]["replicas"], &read["status"]["selector"]),
        (&json!(2), &json!("app=w"))
    );
    read["spec"]["replicas"] = 0.into();
    let put = ask(&cluster, "PUT", &scale, JSON, read.to_string()).await;
    assert_eq!((put.code, &put.json()["spec"]["replicas"]), (200, &json!(0)));
    assert_eq!(merge(&cluster, &scale, &json!({ "spec": { "replicas": 3 } })).await.code, 200);
    assert_eq!(
        get(&cluster, &format!("{deployments}/web")).await.json()["metadata"]["generation"],
        3
    );
    let stale = ask(&cluster, "PUT", &scale, JSON, read.to_string()).await;
    assert_eq!(stale.code, 409);
}

#[tokio::test]
async fn objects_are_selected_by_the_fields_that_their_crd_names_now_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::File(dir.path().join("state.redb"));
    let cluster = cluster_with(storage.clone(), Vec::new());
    post(&cluster, CRDS, &crd(json!([]))).await;
    for title in ["moby", "emma"] {
        let book = json!({ "metadata": { "name": title }, "spec": { "title": title } });
        assert_eq!(post(&cluster, BOOKS, &book).await.code, 201);
    }
    let moby = format!("{BOOKS}?fieldSelector=spec.title%3Dmoby");
    assert_eq!(get(&cluster, &moby).await.code, 400);
    let change = json!([{ "op": "add", "path": "/spec/versions/0/selectableFields", "value": [{ "jsonPath": ".spec.title" }] }]);
    let patch = [("content-type", "application/json-patch+json")];
    let changed =
        ask(&cluster, "PATCH", &format!("{CRDS}/books.lib.io"), &patch, change.to_string()).await;
    assert_eq!(changed.code, 200, "{}", changed.json());
    assert_eq!(get(&cluster, &moby).await.json()["items"].as_array().unwrap().len(), 1);
    cluster.close();
    drop(cluster);
    let cluster = cluster_with(storage, Vec::new());
    assert_eq!(get(&cluster, &moby).await.json()["items"].as_array().unwrap().len(), 1);
}

//! A watch against a server that ends it in every way.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kube::Client;
use kube::client::Body;
use serde_json::json;

use super::super::resource::Resource;
use super::*;

/// A cluster that gives these answers, one after another, and the queries that it was asked.
fn cluster(answers: Vec<(u16, String)>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let (answers, asked) = (Mutex::new(answers.into_iter()), Arc::new(Mutex::new(Vec::new())));
    let notes = Arc::clone(&asked);
    let answering = tower::service_fn(move |request: Request<Body>| {
        notes.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
        let (status, body) = answers.lock().unwrap().next().unwrap();
        let answer = Response::builder().status(status).body(Full::new(Bytes::from(body)));
        std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
    });
    (Client::new(answering, "default"), asked)
}

fn object(name: &str, version: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "default", "resourceVersion": version } })
}

fn list(version: &str, items: &[Value]) -> (u16, String) {
    let list = json!({ "kind": "PodList", "apiVersion": "v1",
        "metadata": { "resourceVersion": version }, "items": items });
    (200, list.to_string())
}

fn events(events: &[(&str, Value)]) -> (u16, String) {
    let line = |(type_, object): &(&str, Value)| json!({ "type": type_, "object": object });
    (200, events.iter().map(|event| format!("{}\n", line(event))).collect())
}

fn refusal(code: u16) -> Value {
    json!({ "kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "" })
}

/// What was shown, as NAME VERSION, and the versions from which was watched.
async fn watched(form: Form, answers: Vec<(u16, String)>) -> (Vec<String>, Vec<String>, String) {
    let (client, asked) = cluster(answers);
    let resource = Resource::of_core("pods", "pod");
    let (path, labels) = ("/api/v1/namespaces/default/pods".to_owned(), None);
    let objects = Objects { client, resource: &resource, path, form, labels, name: None };
    let mut shown = Vec::new();
    let text = |object: &Value| format!("{} {}", key(object).name, version_of(object).unwrap());
    let ended = run(&objects, |value| match form {
        Form::Whole => {
            assert_eq!((&value["kind"], &value["apiVersion"]), (&json!("Pod"), &json!("v1")));
            shown.push(text(value));
        }
        Form::Table => {
            shown.extend(value["rows"].as_array().unwrap().iter().map(|row| text(&row["object"])));
        }
    })
    .await;
    let asked = asked.lock().unwrap();
    let from = |query: &String| {
        assert!(!query.contains("watch=true") || query.contains("allowWatchBookmarks=true"));
        Some(query.rsplit_once("resourceVersion=")?.1.to_owned())
    };
    (shown, asked.iter().filter_map(from).collect(), ended.unwrap_err().to_string())
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_the_last_bookmark_and_lists_again_when_that_is_too_old() {
    let pod = |name: &str, version: &str| {
        let mut pod = object(name, version);
        (pod["kind"], pod["apiVersion"]) = ("Pod".into(), "v1".into());
        pod
    };
    let answers = vec![
        list("5", &[object("a", "3"), object("b", "5")]),
        events(&[("MODIFIED", pod("a", "7")), ("BOOKMARK", pod("", "9"))]),
        events(&[("ERROR", refusal(410))]),
        list("20", &[object("a", "7"), object("b", "12")]),
        events(&[("DELETED", pod("b", "21")), ("ADDED", pod("b", "22"))]),
        (410, refusal(410).to_string()),
        list("30", &[object("b", "22")]),
        (403, refusal(403).to_string()),
    ];
    let (shown, from, why) = watched(Form::Whole, answers).await;
    assert_eq!(shown, ["a 3", "b 5", "a 7", "b 12", "b 21", "b 22"]);
    assert_eq!(from, ["5", "9", "20", "22", "30"]);
    assert!(why.contains("refused to get pods"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn tables_go_on_too_and_failures_in_a_row_end_the_watch() {
    let table = |version: &str, objects: &[Value]| {
        let rows: Vec<Value> =
            objects.iter().map(|o| json!({ "cells": [], "object": o })).collect();
        json!({ "kind": "Table", "metadata": { "resourceVersion": version }, "rows": rows })
    };
    let broken = || (500, refusal(500).to_string());
    let answers = vec![
        (200, table("5", &[object("a", "3")]).to_string()),
        broken(),
        broken(),
        events(&[("MODIFIED", table("6", &[object("a", "6")])), ("BOOKMARK", table("8", &[]))]),
        broken(),
        events(&[("ERROR", refusal(410))]),
        (200, table("9", &[object("a", "6"), object("b", "9")]).to_string()),
        broken(),
        broken(),
    ];
    let (shown, from, why) = watched(Form::Table, answers).await;
    assert_eq!(shown, ["a 3", "a 6", "b 9"]);
    assert_eq!(from, ["5", "5", "5", "8", "8", "9", "9"]);
    assert!(why.contains("to get pods"), "{why}");
}

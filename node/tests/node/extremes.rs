//! Pods with the extremes of their numbers' types, from creation to deletion.
//!
//! `numbers.txt` lists every number of a Pod with its type: the fields of Kubernetes' published API
//! documents, and of lists the first element.

use std::sync::Arc;
use std::time::Duration;

use rouse_kit::{Clock, Process, Shutdown};
use rouse_node::runtime::fake::{FakeRuntime, Script};
use rouse_node::{Config, Node, StoreImages};
use serde_json::{Value, json};

use crate::support::{Api, LONG};

const NUMBERS: &str = include_str!("numbers.txt");

fn extremes(kind: &str) -> Vec<Value> {
    let i32s = [i32::MIN, -1, 0, 65_536, i32::MAX].map(Value::from);
    let i64s = [i64::MIN, i64::MAX].map(Value::from);
    let texts = ["", "-1", "99999999999999999999"].map(Value::from);
    let quantities = ["", "-1e99", "1e99", "1e-99", "9999999999Ei", "18446744073709551616"];
    match kind {
        "int32" => i32s.into(),
        "int64" => [&i32s[..], &i64s].concat(),
        "intOrString" => [&i32s[..], &texts].concat(),
        "quantity" => quantities.map(Value::from).into(),
        other => panic!("a type that is no number: {other}"),
    }
}

/// Sets the number at `path`; lists have one element on the way, maps the key `cpu`.
fn set(target: &mut Value, path: &[&str], value: Value) {
    match path {
        [] => *target = value,
        ["0", rest @ ..] => {
            if !target.is_array() {
                *target = json!([null]);
            }
            set(&mut target[0], rest, value);
        }
        [name, rest @ ..] => {
            let name = if *name == "*" { "cpu" } else { name };
            if target.is_null() {
                *target = json!({});
            }
            set(&mut target[name], rest, value);
        }
    }
}

/// A pod that ends by itself again and again.
fn pod(name: &str, path: &str, value: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "demo", "uid": name},
        "spec": {"nodeName": "n1", "containers": [{
            "name": "user", "image": "app:1",
            "env": [{"name": "FAKE_EXIT_MS", "value": "20000"}],
        }]},
        "status": {"phase": "Pending"},
    });
    let container = &mut pod["spec"]["containers"][0];
    if path.starts_with("spec/volumes/") {
        container["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
        pod["spec"]["volumes"] = json!([{"name": "v"}]);
    }
    if path.starts_with("status/containerStatuses/") {
        pod["status"]["containerStatuses"] = json!([{"name": "user", "state": {}}]);
    }
    set(&mut pod, &path.split('/').collect::<Vec<_>>(), value);
    pod
}

#[tokio::test(start_paused = true)]
async fn whatever_a_pods_numbers_are_no_worker_panics_and_it_ends_when_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::new();
    let process = Process::new(Clock::of_tokio());
    let component = process.component("node", Shutdown::new());
    let config = Config { node_name: "n1".to_owned(), data_dir: dir.path().to_owned(), api: None };
    let runtime = Arc::new(FakeRuntime::new(Script::default()));
    let store = rouse_image::Store::open(dir.path().join("images")).unwrap();
    let images = Arc::new(StoreImages::new(store));
    let node = Node::new(
        config,
        api.client(),
        images,
        runtime,
        Arc::new(rouse_node::NoTraffic),
        component.clone(),
    );
    let node = tokio::spawn(node.run());
    let (mut fields, mut count) = (0, 0);
    for line in NUMBERS.lines() {
        let (path, kind) = line.split_once(' ').unwrap();
        let pods: Vec<(String, Value)> = extremes(kind)
            .into_iter()
            .enumerate()
            .map(|(n, value)| {
                let name = format!("p{fields}-{n}");
                let pod = pod(&name, path, value);
                (name, pod)
            })
            .collect();
        for (name, pod) in &pods {
            api.put(&format!("/api/v1/namespaces/demo/pods/{name}"), pod.clone());
        }
        // It ends by itself at 20 s and starts again at once.
        tokio::time::sleep(Duration::from_secs(25)).await;
        for (name, pod) in &pods {
            let grace = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            assert!(api.pod(name).is_some(), "{path}: {name}");
            api.delete_pod(name, grace);
        }
        tokio::time::sleep(Duration::from_secs(35)).await;
        for (name, pod) in &pods {
            // A pod that sleeps for years before its end is deleted by force, as by users.
            if api.pod(name).is_some() {
                let sleeps = path.contains("preStop") || path.contains("GracePeriod");
                assert!(sleeps, "{path}: {pod} is still there");
                api.delete_pod(name, 0);
                api.until(name, "gone", |pod| pod.is_none()).await;
            }
        }
        let panics: Vec<_> =
            process.ledger.report().into_iter().filter(|task| task.panics > 0).collect();
        assert!(panics.is_empty(), "{path}: {panics:#?}");
        fields += 1;
        count += pods.len();
    }
    component.shutdown.cancel();
    tokio::time::timeout(LONG, node).await.unwrap().unwrap();
    println!("{count} pods with an extreme in one of {fields} numbers of theirs lived and ended");
    assert!(count > 1000, "{count}");
}

//! The controllers beside an API server, watched by a client in the process.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use rouse_apiserver::{Cluster, Config, Storage};
use rouse_kit::{Clock, Component};
use serde_json::json;

#[tokio::test]
async fn a_deployment_gets_bound_pods_and_is_deleted_with_them() {
    let config = Config {
        storage: Storage::Memory,
        initial: Vec::new(),
        clock: Clock::of_tokio(),
        ca: String::new(),
    };
    let cluster = Cluster::open(config).unwrap();
    let component = Component::alone("controllers");
    rouse_controllers::start(&rouse_controllers::Config::of(&cluster), &component);
    let client = cluster.client("system:test");
    let nodes: Api<Node> = Api::all(client.clone());
    let node: Node = serde_json::from_value(json!({ "metadata": { "name": "n" } })).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let status = json!({ "status": {
        "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" }, "capacity": { "cpu": "4", "memory": "8Gi", "pods": "110" },
        "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "" }] } });
    nodes.patch_status("n", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let web: Deployment = serde_json::from_value(json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": 3, "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } }))
    .unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client);
    let mut events = pods.watch(&WatchParams::default().timeout(20), "0").await.unwrap().boxed();
    deployments.create(&PostParams::default(), &web).await.unwrap();
    let mut bound = std::collections::BTreeSet::new();
    while bound.len() < 3 {
        match events.try_next().await.unwrap() {
            Some(WatchEvent::Added(pod) | WatchEvent::Modified(pod)) => {
                if pod.spec.and_then(|s| s.node_name).as_deref() == Some("n") {
                    bound.insert(pod.metadata.name);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    deployments.delete("web", &DeleteParams::background()).await.unwrap();
    while !bound.is_empty() {
        match events.try_next().await.unwrap() {
            Some(WatchEvent::Modified(pod)) if pod.metadata.deletion_timestamp.is_some() => {
                bound.remove(&pod.metadata.name);
            }
            Some(WatchEvent::Deleted(pod)) => {
                bound.remove(&pod.metadata.name);
            }
            Some(_) => {}
            None => panic!("the watch ended"),
        }
    }
    let metrics = component.metrics.encode();
    let counted = |controller: &str| {
        let name = format!(
            "controller_runtime_reconcile_total{{controller=\"{controller}\",result=\"success\"}}"
        );
        metrics.lines().any(|line| line.starts_with(&name) && !line.ends_with(" 0"))
    };
    for controller in ["deployment", "replicaset", "scheduler", "garbage-collector", "namespace"] {
        assert!(counted(controller), "{controller}: {metrics}");
    }
    assert!(metrics.contains("controller_runtime_reconcile_time_seconds_bucket"), "{metrics}");
    assert!(!metrics.contains("controller_runtime_reconcile_errors_total{"), "{metrics}");
    let parts = component.health.report();
    assert!(parts.iter().any(|part| part.name == "controllers" && part.ready), "{parts:?}");
    component.shutdown.cancel();
    component.tasks.finish().await;
}

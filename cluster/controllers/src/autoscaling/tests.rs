//! An autoscaler and the objects that it writes.

use std::sync::atomic::Ordering;

use rouse_apiserver::store::Key;
use serde_json::{Value, json};

use crate::objects::{AUTOSCALERS, PODS};
use crate::testing::{Cluster, cluster};

/// A Deployment of two pods that request 1 CPU each, and an autoscaler of it.
fn scaled(cluster: &mut Cluster, spec: &Value) -> (Key, Key) {
    cluster.node("n1");
    let deployment = cluster.deployment("web", 2, "web:1");
    let objects = cluster.objects();
    objects
        .change(&deployment, |deployment| {
            let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
            container["resources"]["requests"]["cpu"] = json!("100m");
        })
        .unwrap();
    let mut whole = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": 1, "maxReplicas": 6,
        "metrics": [{ "type": "Resource", "resource": {
            "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }],
    });
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let autoscaler = json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": whole });
    let autoscaler = cluster.create(AUTOSCALERS, autoscaler).key.clone();
    cluster.settle();
    (deployment, autoscaler)
}

/// All pods become ready, and were so since long.
fn make_ready(cluster: &mut Cluster) {
    let long = "2024-12-31T00:00:00Z";
    for pod in cluster.all(PODS) {
        let key = Key::new(PODS, "shop", pod["metadata"]["name"].as_str().unwrap());
        let status = json!({ "phase": "Running", "startTime": long, "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": long }] });
        cluster.objects().set_status(&key, &status).unwrap();
    }
    cluster.settle();
}

async fn after(cluster: &mut Cluster, seconds: u64) {
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    cluster.controllers.time_passed();
    cluster.controllers.run();
    cluster.settle();
}

fn use_cpu(cluster: &Cluster, millis: u64) {
    cluster.usage.cpu_millis.store(millis, Ordering::SeqCst);
}

fn conditions(autoscaler: &Value) -> Vec<String> {
    let all = autoscaler["status"]["conditions"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|c| format!("{} {} {}", text(&c["type"]), text(&c["status"]), text(&c["reason"])))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn replicas_follow_the_cpu_up_at_once_and_down_after_five_minutes() {
    let mut cluster = cluster();
    let (deployment, autoscaler) = scaled(&mut cluster, &json!({}));
    make_ready(&mut cluster);
    use_cpu(&cluster, 100);
    after(&mut cluster, 15).await;
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 4);
    let seen = cluster.get(&autoscaler);
    assert_eq!(seen["status"]["currentReplicas"], 2);
    assert_eq!(seen["status"]["desiredReplicas"], 4);
    let metric = &seen["status"]["currentMetrics"][0]["resource"]["current"];
    assert_eq!(metric, &json!({ "averageUtilization": 100, "averageValue": "100m" }));
    assert_eq!(conditions(&seen)[0], "AbleToScale True SucceededRescale");
    let events = cluster.all("events");
    let told = |reason| events.iter().any(|event| event["reason"] == reason);
    assert!(told("SuccessfulRescale"), "{events:#?}");

    make_ready(&mut cluster);
    after(&mut cluster, 15).await;
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 6);
    let limited = conditions(&cluster.get(&autoscaler));
    assert!(limited.contains(&"ScalingLimited True TooManyReplicas".to_owned()), "{limited:?}");

    make_ready(&mut cluster);
    use_cpu(&cluster, 0);
    after(&mut cluster, 15).await;
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 6);
    let held = conditions(&cluster.get(&autoscaler));
    assert!(held.contains(&"AbleToScale True ScaleDownStabilized".to_owned()), "{held:?}");
    for _ in 0..21 {
        after(&mut cluster, 15).await;
    }
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 1);
}

#[tokio::test(start_paused = true)]
async fn without_metrics_the_scale_stays_and_the_autoscaler_says_why() {
    let mut cluster = cluster();
    let (deployment, autoscaler) = scaled(&mut cluster, &json!({}));
    make_ready(&mut cluster);
    after(&mut cluster, 15).await;
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 2);
    let unknown = conditions(&cluster.get(&autoscaler));
    assert!(
        unknown.contains(&"ScalingActive False FailedGetResourceMetric".to_owned()),
        "{unknown:?}"
    );

    let other = json!({ "metrics": [{ "type": "Pods", "pods": {
        "metric": { "name": "queue" }, "target": { "type": "AverageValue", "averageValue": "1" } } }] });
    cluster
        .objects()
        .change(&autoscaler, |object| object["spec"]["metrics"] = other["metrics"].clone())
        .unwrap();
    cluster.settle();
    let unknown = conditions(&cluster.get(&autoscaler));
    assert!(
        unknown.contains(&"ScalingActive False InvalidMetricSourceType".to_owned()),
        "{unknown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_outside_its_bounds_is_brought_in_and_one_at_zero_is_left_alone() {
    let mut cluster = cluster();
    let (deployment, autoscaler) = scaled(&mut cluster, &json!({ "minReplicas": 3 }));
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 3);
    cluster.scale(&deployment, 0);
    after(&mut cluster, 15).await;
    assert_eq!(cluster.get(&deployment)["spec"]["replicas"], 0);
    let off = conditions(&cluster.get(&autoscaler));
    assert!(off.contains(&"ScalingActive False ScalingDisabled".to_owned()), "{off:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_there_is_named() {
    let mut cluster = cluster();
    let target = json!({ "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "gone" } });
    let (_, autoscaler) = scaled(&mut cluster, &target);
    let seen = cluster.get(&autoscaler);
    assert_eq!(conditions(&seen), ["AbleToScale False FailedGetScale"]);
    assert_eq!(
        seen["status"]["conditions"][0]["message"],
        "the Deployment \"gone\" does not exist"
    );
}

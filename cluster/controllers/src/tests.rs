//! The controllers together, over a store in memory.

use serde_json::{Value, json};

use std::time::Duration;

use rouse_apiserver::registry::Propagation;
use rouse_apiserver::store::Key;

use super::objects::{
    self, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS, SERVICES,
};
use super::testing::{Cluster, cluster, controllers};

#[test]
fn a_deployment_of_three_becomes_three_pods_on_a_node_in_one_pass() {
    let mut cluster = cluster();
    cluster.node("laptop");
    cluster.settle();
    let key = cluster.deployment("web", 3, "one");
    let (events, version) = cluster.objects().store.changes_after(cluster.seen).unwrap();
    cluster.seen = version;
    events.iter().for_each(|event| cluster.controllers.changed(event));
    cluster.controllers.run();
    let pods = cluster.all(PODS);
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert_eq!(pod["spec"]["nodeName"], "laptop");
        assert_eq!(pod["status"]["phase"], "Pending");
        assert_eq!(pod["metadata"]["labels"]["app"], "web");
    }
    cluster.settle();
    cluster.run_pods();
    let status = cluster.get(&key)["status"].clone();
    assert_eq!(status["readyReplicas"], 3, "{status}");
    assert_eq!(status["updatedReplicas"], 3);
    assert_eq!(status["observedGeneration"], 1);
    let progressing =
        status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Progressing");
    assert_eq!(progressing.unwrap()["reason"], "NewReplicaSetAvailable");
    assert_eq!(cluster.reasons("SuccessfulCreate").len(), 3);
    assert_eq!(cluster.reasons("Scheduled").len(), 3);
}

#[test]
fn a_deployment_without_its_service_account_fails_and_goes_on_once_it_exists() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 1, "image");
    cluster
        .objects()
        .change(&key, |deployment| {
            deployment["spec"]["template"]["spec"]["serviceAccountName"] = "robot".into();
        })
        .unwrap();
    cluster.settle();
    assert_eq!(cluster.all(PODS).len(), 0);
    let set = cluster.all(REPLICA_SETS)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let why = format!(
        "pods \"{set}-\" is forbidden: error looking up service account shop/robot: serviceaccount \"robot\" not found"
    );
    assert_eq!(cluster.reasons("FailedCreate"), [format!("Error creating: {why}")]);
    let failure = |cluster: &Cluster| {
        let conditions = cluster.get(&key)["status"]["conditions"].clone();
        let found = conditions.as_array().unwrap().iter().find(|c| c["type"] == "ReplicaFailure");
        found.map(|c| c["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(failure(&cluster), Some(why));
    let account = json!({ "metadata": { "name": "robot", "namespace": "shop" } });
    cluster.create(SERVICE_ACCOUNTS, account);
    cluster.settle();
    assert_eq!(cluster.all(PODS).len(), 1);
    assert_eq!(failure(&cluster), None);
}

#[test]
fn a_deployment_scales_to_zero_and_back() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 1, "one");
    cluster.settle();
    cluster.run_pods();
    cluster.scale(&key, 0);
    cluster.settle();
    assert!(cluster.all(PODS).iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_string()));
    cluster.run_pods();
    assert_eq!(cluster.all(PODS).len(), 0);
    cluster.scale(&key, 1);
    cluster.settle();
    assert_eq!(cluster.all(PODS).len(), 1);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 1);
    assert_eq!(cluster.get(&key)["status"]["observedGeneration"], 3);
}

#[test]
fn a_new_template_rolls_out_and_keeps_the_old_set() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 4, "one");
    cluster.settle();
    cluster.run_pods();
    cluster
        .objects()
        .change(&key, |deployment| {
            deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "two".into();
        })
        .unwrap();
    cluster.settle();
    for _ in 0..10 {
        let ready = |pod: &&Value| pod["status"]["conditions"][0]["type"] == "Ready";
        let pods = cluster.all(PODS);
        assert!(pods.iter().filter(ready).count() >= 3, "at least three serve");
        cluster.run_pods();
    }
    let pods = cluster.all(PODS);
    assert_eq!(pods.len(), 4);
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "two"));
    let sets = cluster.all(REPLICA_SETS);
    assert_eq!(sets.len(), 2);
    let revision = |set: &Value| {
        let annotations = &set["metadata"]["annotations"];
        annotations["deployment.kubernetes.io/revision"].as_str().unwrap().to_owned()
    };
    let mut revisions: Vec<String> = sets.iter().map(revision).collect();
    revisions.sort();
    assert_eq!(revisions, ["1", "2"]);
    assert_eq!(revision(&cluster.get(&key)), "2");
}

#[test]
fn a_pod_waits_for_a_node_with_room() {
    let mut cluster = cluster();
    let key = cluster.deployment("web", 1, "one");
    cluster.settle();
    let pod = cluster.all(PODS)[0].clone();
    assert_eq!(pod["status"]["conditions"][0]["reason"], "Unschedulable");
    assert_eq!(cluster.reasons("FailedScheduling"), ["no nodes available to schedule pods"]);
    cluster.node("laptop");
    cluster.settle();
    assert_eq!(cluster.all(PODS)[0]["spec"]["nodeName"], "laptop");
    assert_eq!(cluster.all(PODS)[0]["status"]["conditions"][0]["status"], "True");
    assert_eq!(cluster.get(&key)["status"]["replicas"], 1);
}

/// A node that `first` fills, so that `second` waits for room.
fn full_node(cluster: &mut Cluster) -> [Key; 2] {
    cluster.node("laptop");
    let large = |name: &str| {
        json!({ "metadata": { "name": name, "namespace": "shop" }, "spec": { "containers": [
            { "name": "c", "image": "i", "resources": { "requests": { "cpu": "3" } } }] } })
    };
    let pods = ["first", "second"].map(|name| {
        let pod = cluster.create(PODS, large(name));
        cluster.settle();
        pod.key.clone()
    });
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    assert_eq!(cluster.get(&pods[1])["status"]["conditions"][0]["message"], message);
    pods
}

#[test]
fn a_deleted_pod_makes_room_for_a_pending_one() {
    let mut cluster = cluster();
    let [first, second] = full_node(&mut cluster);
    cluster.objects().delete(&first, Propagation::Background).unwrap();
    cluster.run_pods();
    assert_eq!(cluster.get(&second)["spec"]["nodeName"], "laptop");
}

#[test]
fn a_pod_that_has_ended_makes_room_for_a_pending_one() {
    let mut cluster = cluster();
    let [first, second] = full_node(&mut cluster);
    assert_eq!(cluster.get(&second)["spec"]["nodeName"], Value::Null);
    let end = |pod: &mut Value| pod["status"]["phase"] = "Succeeded".into();
    cluster.objects().change(&first, end).unwrap();
    cluster.settle();
    assert_eq!(cluster.get(&second)["spec"]["nodeName"], "laptop");
}

#[test]
fn a_service_has_the_addresses_of_its_pods() {
    let mut cluster = cluster();
    cluster.node("laptop");
    cluster.deployment("web", 1, "one");
    let service = json!({ "metadata": { "name": "front", "namespace": "shop" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 8080 }] } });
    let service = cluster.create(SERVICES, service);
    cluster.settle();
    let endpoints = Key::new(objects::ENDPOINTS, "shop", "front");
    assert_eq!(cluster.get(&endpoints)["subsets"], Value::Null);
    cluster.run_pods();
    let subset = cluster.get(&endpoints)["subsets"][0].clone();
    assert_eq!(subset["addresses"][0]["ip"], "10.0.0.7");
    assert_eq!(subset["ports"][0]["port"], 8080);
    let slices = cluster.all(objects::ENDPOINT_SLICES);
    assert_eq!(slices.len(), 1);
    assert_eq!(slices[0]["endpoints"][0]["conditions"]["ready"], true);
    assert_eq!(slices[0]["metadata"]["labels"]["kubernetes.io/service-name"], "front");
    cluster.objects().delete(&service.key, Propagation::Background).unwrap();
    cluster.settle();
    assert_eq!(cluster.get(&endpoints), Value::Null);
    assert_eq!(cluster.all(objects::ENDPOINT_SLICES).len(), 0);
}

#[test]
fn a_namespace_gets_a_service_account_and_is_deleted_with_its_objects() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let root = Key::new(objects::CONFIG_MAPS, "shop", "kube-root-ca.crt");
    assert_eq!(cluster.get(&root)["data"]["ca.crt"], "the CA");
    assert_eq!(cluster.all(SERVICE_ACCOUNTS).len(), 1);
    cluster.deployment("web", 2, "one");
    cluster.settle();
    cluster.run_pods();
    let key = Key::new(NAMESPACES, "", "shop");
    cluster.objects().delete(&key, Propagation::Background).unwrap();
    cluster.settle();
    assert_eq!(cluster.get(&key)["status"]["phase"], "Terminating");
    cluster.run_pods();
    assert_eq!(cluster.get(&key), Value::Null);
    for resource in [PODS, REPLICA_SETS, DEPLOYMENTS, objects::CONFIG_MAPS] {
        assert_eq!(cluster.all(resource).len(), 0, "{resource}");
    }
}

#[test]
fn controllers_write_nothing_again_after_a_restart() {
    let mut cluster = cluster();
    cluster.node("laptop");
    cluster.deployment("web", 2, "one");
    cluster.settle();
    let before = cluster.objects().store.version();
    let mut again = controllers(cluster.objects().store.clone());
    again.everything();
    again.run();
    assert_eq!(again.objects.store.version(), before, "nothing is written again");
}

#[test]
fn a_huge_replica_set_grows_by_bursts_and_others_go_on() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let neighbour = cluster.deployment("neighbour", 1, "one");
    cluster.settle();
    cluster.deployment("large", i32::MAX, "one");
    let of = |cluster: &Cluster, app: &str| {
        cluster.all(PODS).iter().filter(|pod| pod["metadata"]["labels"]["app"] == app).count()
    };
    cluster.pass();
    assert_eq!(of(&cluster, "large"), 500);
    assert_eq!(cluster.controllers.next_time(), Duration::ZERO, "there is more to do");
    cluster.scale(&neighbour, 2);
    cluster.pass();
    assert_eq!((of(&cluster, "neighbour"), of(&cluster, "large")), (2, 1000));
}

#[test]
fn controllers_come_to_rest_where_no_pod_can_be_created() {
    let mut cluster = cluster();
    cluster.deployment("large", i32::MAX, "one");
    let shop = Key::new(NAMESPACES, "", "shop");
    cluster
        .objects()
        .change(&shop, |shop| {
            shop["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:00Z".into();
            shop["metadata"]["finalizers"] = json!(["test.io/held"]);
        })
        .unwrap();
    cluster.settle();
    assert_eq!(cluster.all(PODS).len(), 0);
    assert_ne!(cluster.controllers.next_time(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_is_set_aside_and_other_work_goes_on() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let bad = cluster.deployment("bad", 1, "one");
    let good = cluster.deployment("good", 1, "one");
    cluster.controllers.poisoned = Some(bad.clone());
    cluster.settle();
    let sets = cluster.all(REPLICA_SETS);
    assert_eq!(sets.len(), 1, "the neighbour has its set: {sets:?}");
    let told = cluster.reasons("InternalError");
    assert_eq!(told, ["panicked: poisoned"]);
    assert!(cluster.controllers.next_time() <= Duration::from_millis(100), "it is tried again");
    // An event does not make it panic again at once.
    cluster.scale(&bad, 2);
    cluster.scale(&good, 2);
    cluster.settle();
    let of = |cluster: &Cluster, app: &str| {
        cluster.all(PODS).iter().filter(|pod| pod["metadata"]["labels"]["app"] == app).count()
    };
    assert_eq!((of(&cluster, "bad"), of(&cluster, "good")), (0, 2));
    for _ in 0..3 {
        tokio::time::advance(cluster.controllers.next_time()).await;
        cluster.controllers.time_passed();
        cluster.controllers.run();
    }
    let longer = cluster.controllers.next_time();
    assert!(longer > Duration::from_millis(200), "{longer:?}");
    cluster.controllers.poisoned = None;
    tokio::time::advance(longer).await;
    cluster.controllers.time_passed();
    cluster.controllers.run();
    cluster.settle();
    assert_eq!(of(&cluster, "bad"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_disk_refuses_is_retried_until_it_succeeds() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 1, "one");
    cluster.settle();
    let pod = cluster.all(PODS)[0].clone();
    cluster.scale(&key, 2);
    let store = cluster.objects().store.clone();
    store.pretend_failing(Some("no space left on device"));
    let version = store.version();
    cluster.settle();
    tokio::time::advance(Duration::from_secs(30)).await;
    cluster.controllers.time_passed();
    cluster.controllers.run();
    assert!(cluster.objects().change(&key, |web| web["spec"]["replicas"] = 7.into()).is_err());
    let pods = Key::new(PODS, "shop", pod["metadata"]["name"].as_str().unwrap());
    assert!(cluster.objects().delete(&pods, Propagation::Background).is_err());
    assert_eq!(store.version(), version, "nothing was written");
    store.pretend_failing(None);
    tokio::time::advance(cluster.controllers.next_time()).await;
    cluster.controllers.time_passed();
    cluster.controllers.run();
    cluster.settle();
    assert_eq!(cluster.all(PODS).len(), 2);
}

#[test]
fn a_grace_period_of_any_length_is_kept() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 1, "one");
    cluster
        .objects()
        .change(&key, |web| {
            web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = i64::MAX.into();
        })
        .unwrap();
    cluster.settle();
    cluster.scale(&key, 0);
    cluster.settle();
    let pods = cluster.all(PODS);
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["metadata"]["deletionGracePeriodSeconds"], i64::MAX);
    assert!(pods[0]["metadata"]["deletionTimestamp"].as_str().unwrap() > "2300");
    assert_eq!(cluster.reasons("InternalError"), [""; 0]);
    let mut again = controllers(cluster.objects().store.clone());
    again.everything();
    again.run();
    assert_eq!(cluster.reasons("InternalError"), [""; 0]);
}

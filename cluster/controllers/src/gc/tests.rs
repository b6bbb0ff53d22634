//! Deletions of owners, and their dependents.

use serde_json::{Value, json};

use std::sync::Arc;

use rouse_apiserver::registry::Propagation;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::keys::ORPHAN_DEPENDENTS;

use crate::objects::{self, DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::testing::{Cluster, cluster};

#[test]
fn a_deleted_deployment_takes_its_pods_with_it() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 2, "one");
    cluster.settle();
    cluster.run_pods();
    cluster.objects().delete(&key, Propagation::Background).unwrap();
    cluster.settle();
    assert_eq!(cluster.get(&key), Value::Null);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 0);
    cluster.run_pods();
    assert_eq!(cluster.all(PODS).len(), 0);
}

#[test]
fn in_the_foreground_the_owner_goes_last() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 2, "one");
    cluster.settle();
    cluster.run_pods();
    cluster.objects().delete(&key, Propagation::Foreground).unwrap();
    cluster.settle();
    assert_eq!(cluster.all(DEPLOYMENTS).len(), 1);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 1);
    cluster.run_pods();
    assert_eq!(cluster.all(PODS).len(), 0);
    assert_eq!(cluster.all(REPLICA_SETS).len(), 0);
    assert_eq!(cluster.all(DEPLOYMENTS).len(), 0);
}

#[test]
fn orphans_stay_without_their_owner() {
    let mut cluster = cluster();
    cluster.node("laptop");
    let key = cluster.deployment("web", 1, "one");
    cluster.settle();
    cluster
        .objects()
        .change(&key, |deployment| {
            deployment["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:00Z".into();
            deployment["metadata"]["finalizers"] = json!([ORPHAN_DEPENDENTS]);
        })
        .unwrap();
    cluster.settle();
    assert_eq!(cluster.all(DEPLOYMENTS).len(), 0);
    let sets = cluster.all(REPLICA_SETS);
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0]["metadata"]["ownerReferences"], Value::Null);
    assert_eq!(cluster.all(PODS).len(), 1);
    let pod = cluster.all(PODS)[0]["metadata"]["name"].clone();
    let again = cluster.deployment("web", 1, "one");
    cluster.settle();
    let sets = cluster.all(REPLICA_SETS);
    assert_eq!(sets.len(), 1, "the next Deployment takes the set over");
    let uid = cluster.get(&again)["metadata"]["uid"].clone();
    assert_eq!(sets[0]["metadata"]["ownerReferences"][0]["uid"], uid);
    assert_eq!(cluster.all(PODS)[0]["metadata"]["name"], pod);
}

#[test]
fn an_object_whose_owner_never_existed_is_deleted() {
    let mut cluster = cluster();
    cluster.create(objects::CONFIG_MAPS, json!({ "metadata": { "name": "lost", "namespace": "shop",
        "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "nobody" }] } }));
    cluster.settle();
    let key = Key::new(objects::CONFIG_MAPS, "shop", "lost");
    assert_eq!(cluster.get(&key), Value::Null);
}

fn owned(name: &str, owner: (&str, &str, &str, &str)) -> Value {
    let (api_version, kind, owner_name, uid) = owner;
    json!({ "metadata": { "name": name, "namespace": "shop", "ownerReferences": [{
        "apiVersion": api_version, "kind": kind, "name": owner_name, "uid": uid,
        "blockOwnerDeletion": true }] } })
}

fn toys() -> Value {
    json!({ "metadata": { "name": "toys.ex.io" }, "spec": { "group": "ex.io", "scope": "Namespaced",
        "names": { "plural": "toys", "kind": "Toy" }, "versions": [{ "name": "v1", "served": true,
            "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }] } })
}

#[test]
fn an_object_whose_owners_kind_is_not_served_stays_until_it_is() {
    let mut cluster = cluster();
    let toy = ("ex.io/v1", "Toy", "t", "nobody");
    cluster.create(objects::CONFIG_MAPS, owned("kept", toy));
    cluster.settle();
    let key = Key::new(objects::CONFIG_MAPS, "shop", "kept");
    assert_ne!(cluster.get(&key), Value::Null);
    cluster.controllers.everything();
    cluster.settle();
    assert_ne!(cluster.get(&key), Value::Null, "nor after a restart");
    cluster.create(objects::DEFINITIONS, toys());
    cluster.settle();
    assert_eq!(cluster.get(&key), Value::Null, "its kind is served, and it is not there");
}

#[test]
fn an_owner_whose_deletion_was_seen_is_gone_though_its_kind_is_no_longer_served() {
    let mut cluster = cluster();
    cluster.create(objects::DEFINITIONS, toys());
    let toy = json!({ "metadata": { "name": "t", "namespace": "shop" } });
    let uid = cluster.create("toys.ex.io", toy).uid.clone();
    cluster.create(objects::CONFIG_MAPS, owned("part", ("ex.io/v1", "Toy", "t", &uid)));
    cluster.settle();
    let key = Key::new(objects::CONFIG_MAPS, "shop", "part");
    assert_ne!(cluster.get(&key), Value::Null);
    let crd = Key::new(objects::DEFINITIONS, "", "toys.ex.io");
    cluster.objects().delete(&crd, Propagation::Background).unwrap();
    cluster.settle();
    assert_eq!((cluster.get(&crd), cluster.get(&key)), (Value::Null, Value::Null));
}

#[test]
fn a_foreground_deletion_of_a_circle_ends() {
    let mut cluster = cluster();
    let names = ["a", "b", "c"];
    let made: Vec<Arc<Object>> = names
        .iter()
        .map(|name| {
            let map = json!({ "metadata": { "name": name, "namespace": "shop" } });
            cluster.create(objects::CONFIG_MAPS, map)
        })
        .collect();
    let own = |cluster: &Cluster, child: usize, owner: usize| {
        let reference = owned("", ("v1", "ConfigMap", names[owner], &made[owner].uid));
        let references = reference["metadata"]["ownerReferences"].clone();
        cluster
            .objects()
            .change(&made[child].key, |map| {
                map["metadata"]["ownerReferences"] = references.clone();
            })
            .unwrap();
    };
    for (child, owner) in [(0, 2), (1, 0), (2, 1)] {
        own(&cluster, child, owner);
    }
    // One object owns itself, and one outside the cycle has a finalizer.
    let alone = cluster.create(
        objects::CONFIG_MAPS,
        json!({ "metadata": { "name": "alone", "namespace": "shop" } }),
    );
    let reference = owned("", ("v1", "ConfigMap", "alone", &alone.uid));
    let references = reference["metadata"]["ownerReferences"].clone();
    cluster
        .objects()
        .change(&alone.key, |map| map["metadata"]["ownerReferences"] = references.clone())
        .unwrap();
    let mut held = owned("held", ("v1", "ConfigMap", "a", &made[0].uid));
    held["metadata"]["finalizers"] = json!(["x.io/held"]);
    let held = cluster.create(objects::CONFIG_MAPS, held).key.clone();
    cluster.settle();
    cluster.objects().delete(&alone.key, Propagation::Foreground).unwrap();
    cluster.objects().delete(&made[0].key, Propagation::Foreground).unwrap();
    cluster.settle();
    assert_eq!(cluster.get(&alone.key), Value::Null);
    assert_ne!(
        cluster.get(&made[0].key),
        Value::Null,
        "it waits for what is no part of the circle"
    );
    cluster.objects().change(&held, |map| map["metadata"]["finalizers"] = json!([])).unwrap();
    cluster.settle();
    for object in &made {
        assert_eq!(cluster.get(&object.key), Value::Null, "{}", object.key.name);
    }
}

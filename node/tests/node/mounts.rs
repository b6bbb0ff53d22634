//! Volumes as containers see them, in the process runtime and in Docker: each case is run by both.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::pods::{Kind, Running, spec, user};
use crate::support::is_ready;

const MAP: &str = "/api/v1/namespaces/demo/configmaps/paint";
const SECRET: &str = "/api/v1/namespaces/demo/secrets/key";
const CLAIM: &str = "/api/v1/namespaces/demo/persistentvolumeclaims/data";

fn paint(color: &str) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "paint"},
           "data": {"COLOR": color, "SIZE": "9"}})
}

fn objects(node: &Running) {
    node.api.put(MAP, paint("red"));
    // "open" and "shut".
    let data = json!({"lock": "b3Blbg==", "door": "c2h1dA=="});
    node.api.put(
        SECRET,
        json!({"kind": "Secret", "apiVersion": "v1",
        "metadata": {"name": "key"}, "data": data}),
    );
}

async fn run(node: &Running, volumes: &Value, mounts: &Value) {
    let mut spec = spec(json!([user(json!({ "volumeMounts": mounts }))]));
    spec["volumes"] = volumes.clone();
    node.api.put_pod("web", spec);
    node.api.until("web", "ready", is_ready).await;
}

/// ConfigMaps, Secrets and projections are files at paths that the host does not have.
async fn files(kind: Kind) {
    let node = Running::start(kind).await;
    objects(&node);
    let host: BTreeMap<_, _> = ["/etc", "/"].map(|dir| (dir, names(dir))).into();
    let volumes = json!([
        {"name": "config", "configMap": {"name": "paint"}},
        {"name": "secret", "secret": {"secretName": "key", "defaultMode": 0o400,
            "items": [{"key": "lock", "path": "deep/lock", "mode": 0o440}]}},
        {"name": "none", "configMap": {"name": "absent", "optional": true}},
        {"name": "all", "projected": {"sources": [
            {"configMap": {"name": "paint", "items": [{"key": "SIZE", "path": "size"}]}},
            {"secret": {"name": "key", "items": [{"key": "door", "path": "door"}]}},
            {"downwardAPI": {"items": [
                {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                {"path": "cpu", "resourceFieldRef": {"containerName": "user", "resource": "limits.memory"}},
            ]}},
        ]}},
    ]);
    let mounts = json!([
        {"name": "config", "mountPath": "/etc/rouse-test/paint"},
        {"name": "config", "mountPath": "/rouse-test/color", "subPath": "COLOR"},
        {"name": "secret", "mountPath": "/rouse-test/secret"},
        {"name": "none", "mountPath": "/rouse-test/none"},
        {"name": "all", "mountPath": "/rouse-test/all"},
    ]);
    run(&node, &volumes, &mounts).await;
    for (path, text) in [
        ("/etc/rouse-test/paint/COLOR", "red"),
        ("/rouse-test/color", "red"),
        ("/rouse-test/secret/deep/lock", "open"),
        ("/rouse-test/all/size", "9"),
        ("/rouse-test/all/door", "shut"),
        ("/rouse-test/all/name", "web"),
        ("/rouse-test/all/cpu", "0"),
    ] {
        assert_eq!(node.get(&format!("/file?{path}")).await, text, "{path}");
    }
    let listed = node.get("/dir?/rouse-test/none").await;
    assert!(listed.split(' ').all(|name| name.starts_with("..")), "{listed}");
    for path in ["/etc/rouse-test/paint/NEW", "/rouse-test/color", "/rouse-test/all/size"] {
        let refused = node.get(&format!("/write?{path}=1")).await;
        assert!(refused.contains("Read-only file system"), "{path}: {refused}");
    }
    // What else is there is as it was.
    assert!(node.get("/file?/etc/hostname").await.len() > 1);
    assert!(node.get("/dir?/proc").await.contains("self"));
    node.delete().await;
    node.stop().await;
    for (dir, before) in host {
        assert_eq!(names(dir), before, "nothing is made on the host in {dir}");
    }
}

fn names(dir: &str) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn process_volumes_of_objects_are_files_at_their_paths() {
    files(Kind::Process).await;
}

#[tokio::test]
async fn docker_volumes_of_objects_are_files_at_their_paths() {
    files(Kind::Docker).await;
}

/// An edited ConfigMap is seen, but not where a single file is mounted.
async fn refresh(kind: Kind) {
    let node = Running::start(kind).await;
    objects(&node);
    let volumes = json!([{"name": "config", "configMap": {"name": "paint"}}]);
    let mounts = json!([
        {"name": "config", "mountPath": "/rouse-test/paint"},
        {"name": "config", "mountPath": "/rouse-test/color", "subPath": "COLOR"},
    ]);
    run(&node, &volumes, &mounts).await;
    assert_eq!(node.get("/file?/rouse-test/paint/COLOR").await, "red");
    node.api.put(MAP, paint("blue"));
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        while node.get("/file?/rouse-test/paint/COLOR").await != "blue" {
            look.tick().await;
        }
    });
    seen.await.expect("an edited ConfigMap is seen within a minute");
    assert_eq!(node.get("/file?/rouse-test/color").await, "red");
    node.stop().await;
}

#[tokio::test]
async fn process_an_edited_config_map_is_seen_except_in_a_sub_path() {
    refresh(Kind::Process).await;
}

#[tokio::test]
async fn docker_an_edited_config_map_is_seen_except_in_a_sub_path() {
    refresh(Kind::Docker).await;
}

/// An emptyDir is one directory for all containers of its pod, is filled by an init container, and
/// outlives a restart; a claim outlives its pod.
async fn directories(kind: Kind) {
    let node = Running::start(kind).await;
    let claim = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1",
        "metadata": {"name": "data", "namespace": "demo", "uid": uuid::Uuid::new_v4().to_string()},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    node.api.put(CLAIM, claim);
    let of_host = tempfile::tempdir().unwrap();
    std::fs::write(of_host.path().join("given"), "by the host").unwrap();
    let volumes = json!([
        {"name": "shared", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "host", "hostPath": {"path": of_host.path(), "type": "Directory"}},
    ]);
    let mounts = json!([
        {"name": "shared", "mountPath": "/rouse-test/shared"},
        {"name": "memory", "mountPath": "/rouse-test/memory"},
        {"name": "data", "mountPath": "/rouse-test/data"},
        {"name": "data", "mountPath": "/rouse-test/part", "subPath": "a/part"},
        {"name": "host", "mountPath": "/rouse-test/host", "readOnly": true},
    ]);
    let mut spec = spec(json!([user(json!({ "volumeMounts": mounts }))]));
    spec["volumes"] = volumes;
    spec["initContainers"] = json!([{
        "name": "fill", "image": "app:1", "args": ["write", "/data/first", "filled"],
        "volumeMounts": [{"name": "shared", "mountPath": "/data"}],
    }]);
    node.api.put_pod("web", spec.clone());
    node.api.until("web", "ready", is_ready).await;
    assert_eq!(node.get("/file?/rouse-test/shared/first").await, "filled");
    assert_eq!(node.get("/file?/rouse-test/host/given").await, "by the host");
    assert!(node.get("/write?/rouse-test/host/new=1").await.contains("Read-only file system"));
    for volume in ["shared", "memory", "data", "part"] {
        let path = format!("/write?/rouse-test/{volume}/file={volume}");
        assert_eq!(node.get(&path).await, "written", "{volume}");
    }
    assert_eq!(node.get("/file?/rouse-test/data/a/part/file").await, "part");
    node.get("/exit").await;
    let restarted = |pod: Option<&Value>| {
        is_ready(pod) && pod.unwrap()["status"]["containerStatuses"][0]["restartCount"] == 1
    };
    node.api.until("web", "ready again", restarted).await;
    for volume in ["shared", "memory", "data"] {
        assert_eq!(node.get(&format!("/file?/rouse-test/{volume}/file")).await, volume);
    }
    node.delete().await;
    node.api.put_pod("web", spec);
    node.api.until("web", "ready", is_ready).await;
    assert_eq!(node.get("/dir?/rouse-test/shared").await, "first");
    assert_eq!(node.get("/dir?/rouse-test/memory").await, "");
    assert_eq!(node.get("/file?/rouse-test/data/file").await, "data");
    let claim = node.api.object(CLAIM).unwrap();
    assert_eq!(claim["status"]["phase"], "Bound");
    assert_eq!(claim["status"]["capacity"]["storage"], "1Gi");
    node.stop().await;
}

#[tokio::test]
async fn process_directories_are_shared_kept_and_read_only_as_asked() {
    directories(Kind::Process).await;
}

#[tokio::test]
async fn docker_directories_are_shared_kept_and_read_only_as_asked() {
    directories(Kind::Docker).await;
}

/// A pod that fills an emptyDir over its limit is evicted.
#[tokio::test]
async fn process_a_pod_that_fills_an_empty_dir_over_its_limit_is_evicted() {
    let node = Running::start(Kind::Process).await;
    let volumes = json!([{"name": "small", "emptyDir": {"sizeLimit": "1Ki"}}]);
    run(&node, &volumes, &json!([{"name": "small", "mountPath": "/rouse-test/small"}])).await;
    let text = "x".repeat(5000);
    assert_eq!(node.get(&format!("/write?/rouse-test/small/file={text}")).await, "written");
    node.api.until_event("Evicted: Usage of EmptyDir volume \"small\" exceeds the limit").await;
    node.api.until("web", "gone", |pod| pod.is_none()).await;
    node.stop().await;
}

#[tokio::test]
async fn process_a_missing_claim_and_a_missing_object_are_named() {
    let node = Running::start(Kind::Process).await;
    let mut spec = spec(json!([user(json!({
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }))]));
    spec["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    node.api.put_pod("web", spec);
    node.api.until_event("FailedMount: persistentvolumeclaim \"data\" not found").await;
    node.stop().await;
}

//! Volumes that follow the objects they come from.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rouse_kit::Component;
use rouse_node::runtime::fake::{FakeRuntime, Script};
use rouse_node::{Config, Node, StoreImages};
use serde_json::{Value, json};

use crate::support::{Api, LONG};

const MAP: &str = "/api/v1/namespaces/demo/configmaps/paint";

fn paint(data: Value) -> Value {
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "paint"}, "data": data})
}

/// The files of a volume, by name.
fn files(dir: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    // The directory of the files, and the link to it.
    let entries = entries.filter(|path| path.is_file());
    let mut files: Vec<(String, String)> = entries
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test(start_paused = true)]
async fn a_mounted_config_map_that_is_edited_is_seen_within_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::new();
    let component = Component::alone("node");
    let config = Config { node_name: "n1".to_owned(), data_dir: dir.path().to_owned(), api: None };
    let store = rouse_image::Store::open(dir.path().join("images")).unwrap();
    let node = Node::new(
        config,
        api.client(),
        Arc::new(StoreImages::new(store)),
        Arc::new(FakeRuntime::new(Script::default())),
        Arc::new(rouse_node::NoTraffic),
        component.clone(),
    );
    let node = tokio::spawn(node.run());
    api.put(MAP, paint(json!({"COLOR": "red", "SIZE": "9"})));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "demo", "uid": "u-1"},
        "spec": {"nodeName": "n1", "containers": [{"name": "user", "image": "app:1",
            "volumeMounts": [{"name": "config", "mountPath": "/etc/paint"}]}],
            "volumes": [{"name": "config", "configMap": {"name": "paint"}}]},
        "status": {"phase": "Pending"},
    });
    api.put("/api/v1/namespaces/demo/pods/web", pod);
    api.until("web", "running", |pod| pod.is_some_and(|pod| pod["status"]["phase"] == "Running"))
        .await;
    let volume = dir.path().join("volumes/u-1/config");
    let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    assert_eq!(files(&volume), text(&[("COLOR", "red"), ("SIZE", "9")]));
    // Another container may be reading it.
    let before = fs::File::open(volume.join("COLOR")).unwrap();
    api.put(MAP, paint(json!({"COLOR": "blue", "SHAPE": "round"})));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(files(&volume), text(&[("COLOR", "blue"), ("SHAPE", "round")]));
    assert_eq!(std::io::read_to_string(before).unwrap(), "red", "a file is replaced as a whole");
    component.shutdown.cancel();
    tokio::time::timeout(LONG, node).await.unwrap().unwrap();
}

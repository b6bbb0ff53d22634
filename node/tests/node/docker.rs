//! The agent with a real Docker Engine: the one that `ROUSE_TEST_DOCKER` names.
//!
//! Without that variable these tests fail, for a skipped check shows nothing.

use std::sync::Arc;

use crate::killed::example;
use crate::support::{Api, LONG, get, is_ready, waiting};
use rouse_image::Store;
use rouse_image::build::LayerFiles;
use rouse_kit::Component;
use rouse_node::runtime::docker::DockerRuntime;
use rouse_node::{Config, Node, StoreImages};
use serde_json::{Value, json};

struct Running {
    api: Api,
    dir: tempfile::TempDir,
    component: Component,
    node: tokio::task::JoinHandle<()>,
}

async fn start() -> Running {
    let dir = tempfile::tempdir().unwrap();
    start_in(Api::new(), dir).await
}

async fn start_in(api: Api, dir: tempfile::TempDir) -> Running {
    let host = std::env::var("ROUSE_TEST_DOCKER")
        .expect("ROUSE_TEST_DOCKER names no Docker engine; tests/run starts one");
    let store = Store::open(dir.path().join("images")).unwrap();
    let reference = "app:1".parse().unwrap();
    store.pack_program(&reference, &example("container"), &[], LayerFiles::default()).unwrap();
    let runtime = {
        let component = Component::alone("runtime");
        let store = store.clone();
        DockerRuntime::connect(Some(&host), dir.path(), store, None, &component).await.unwrap()
    };
    let component = Component::alone("node");
    let config = Config { node_name: "n1".to_owned(), data_dir: dir.path().to_owned(), api: None };
    let images = Arc::new(StoreImages::new(store));
    let client = api.client();
    let node = Node::new(
        config,
        client,
        images,
        Arc::new(runtime),
        Arc::new(rouse_node::NoTraffic),
        component.clone(),
    );
    Running { node: tokio::spawn(node.run()), api, dir, component }
}

impl Running {
    async fn stop(self) -> (Api, tempfile::TempDir) {
        self.component.shutdown.cancel();
        tokio::time::timeout(LONG, self.node).await.unwrap().unwrap();
        (self.api, self.dir)
    }

    async fn get(&self, name: &str, path: &str) -> String {
        get(self.api.address(name, 8080), path).await
    }
}

fn spec(container: Value) -> Value {
    let mut base = json!({
        "name": "user", "image": "app:1",
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "PORT", "value": "8080"}],
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
    });
    base.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"nodeName": "n1", "terminationGracePeriodSeconds": 3, "containers": [base]})
}

fn last_state(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
}

#[tokio::test]
async fn docker_runs_a_pod_with_its_variables_arguments_directory_and_volumes() {
    let node = start().await;
    let map = json!({"kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "paint"}, "data": {"COLOR": "red"}});
    node.api.put("/api/v1/namespaces/demo/configmaps/paint", map);
    let mut spec = spec(json!({
        "args": ["--port=$(PORT)"], "workingDir": "/tmp/work",
        "envFrom": [{"configMapRef": {"name": "paint"}}],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/paint"}],
    }));
    spec["volumes"] = json!([{"name": "config", "configMap": {"name": "paint"}}]);
    node.api.put_pod("web", spec);
    node.api.until("web", "ready", is_ready).await;
    assert_eq!(node.get("web", "/").await, "hello");
    assert_eq!(node.get("web", "/env?COLOR").await, "red");
    assert_eq!(node.get("web", "/env?PORT").await, "8080");
    assert_eq!(node.get("web", "/args").await, "--port=8080");
    assert_eq!(node.get("web", "/cwd").await, "/tmp/work");
    assert_eq!(node.get("web", "/file?/etc/paint/COLOR").await, "red");
    let pod = node.api.pod("web").unwrap();
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
    assert!(id.starts_with("docker://"), "{id}");
    node.api.delete_pod("web", 3);
    node.api.until("web", "gone", |pod| pod.is_none()).await;
    node.stop().await;
}

#[tokio::test]
async fn docker_enforces_the_security_context() {
    let node = start().await;
    let context = json!({
        "runAsUser": 1234, "runAsGroup": 77, "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
    });
    node.api.put_pod("web", spec(json!({"securityContext": context})));
    node.api.until("web", "ready", is_ready).await;
    let status = node.get("web", "/file?/proc/self/status").await;
    for line in ["Uid:\t1234\t", "Gid:\t77\t", "NoNewPrivs:\t1", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line:?} is not in {status}");
    }
    let mounts = node.get("web", "/file?/proc/self/mounts").await;
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
    assert!(root.split(' ').nth(3).unwrap().starts_with("ro,"), "{root}");
    node.api.put_pod("root", spec(json!({"securityContext": {"runAsNonRoot": true}})));
    node.api.until_event("container has runAsNonRoot and image will run as root").await;
    node.stop().await;
}

#[tokio::test]
async fn docker_kills_for_memory_and_the_pod_reports_it() {
    let node = start().await;
    node.api.put_pod("web", spec(json!({"resources": {"limits": {"memory": "64Mi"}}})));
    node.api.until("web", "ready", is_ready).await;
    assert_eq!(node.get("web", "/eat").await, "");
    let restarted = |pod: Option<&Value>| {
        pod.is_some_and(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 1)
    };
    node.api.until("web", "restarted", restarted).await;
    let pod = node.api.pod("web").unwrap();
    assert_eq!(last_state(&pod)["reason"], "OOMKilled", "{pod:#}");
    assert_eq!(last_state(&pod)["exitCode"], 137);
    node.stop().await;
}

#[tokio::test]
async fn docker_reports_exit_codes_and_the_log_is_kept() {
    let node = start().await;
    node.api.put_pod("web", spec(json!({"terminationMessagePolicy": "FallbackToLogsOnError"})));
    node.api.until("web", "ready", is_ready).await;
    node.get("web", "/exit").await;
    let restarted = |pod: Option<&Value>| {
        pod.is_some_and(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 1)
    };
    node.api.until("web", "restarted", restarted).await;
    let pod = node.api.pod("web").unwrap();
    assert_eq!(last_state(&pod)["exitCode"], 7);
    let words = last_state(&pod)["message"].as_str().unwrap();
    assert_eq!(words, "listening on 8080\ntold to exit\n");
    node.stop().await;
}

#[tokio::test]
async fn docker_reports_a_program_that_does_not_listen_on_its_port() {
    let node = start().await;
    node.api.put_pod("web", spec(json!({"env": [{"name": "PORT", "value": "9090"}]})));
    node.api.until_event("listens on 9090, not on PORT=8080").await;
    let said = |pod: Option<&Value>| {
        let conditions = pod.and_then(|pod| pod["status"]["conditions"].as_array());
        conditions.is_some_and(|all| all.iter().any(|c| c["reason"] == "PortIgnored"))
    };
    node.api.until("web", "not ready for its port", said).await;
    node.stop().await;
}

#[tokio::test]
async fn docker_says_when_a_command_cannot_be_started() {
    let node = start().await;
    node.api.put_pod("web", spec(json!({"command": ["/no/such/program"]})));
    node.api.until("web", "refused", |pod| waiting(pod) == Some("RunContainerError")).await;
    node.api.until_event("/no/such/program").await;
    node.api.delete_pod("web", 3);
    node.api.until("web", "gone", |pod| pod.is_none()).await;
    node.stop().await;
}

#[tokio::test]
async fn docker_pods_start_again_with_the_next_run_and_the_old_containers_go() {
    let node = start().await;
    node.api.put_pod("web", spec(json!({})));
    node.api.until("web", "ready", is_ready).await;
    let first = node.api.pod("web").unwrap();
    // The platform dies: its tasks end, and its container stays behind.
    node.node.abort();
    let node = start_in(node.api, node.dir).await;
    let again = |pod: Option<&Value>| {
        is_ready(pod) && pod.unwrap()["status"]["containerStatuses"][0]["restartCount"] == 1
    };
    node.api.until("web", "ready again", again).await;
    assert_eq!(node.get("web", "/").await, "hello");
    let id = |pod: &Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    let second = node.api.pod("web").unwrap();
    assert_ne!(id(&first), id(&second));
    node.stop().await;
}

//! Pods of several containers, with init containers, in the process runtime and in Docker: each case is
//! run by both.

use std::net::TcpListener;
use std::sync::Arc;

use rouse_image::Store;
use rouse_image::build::LayerFiles;
use rouse_kit::Component;
use rouse_node::runtime::ContainerRuntime;
use rouse_node::runtime::docker::DockerRuntime;
use rouse_node::runtime::process::ProcessRuntime;
use rouse_node::{Config, Node, StoreImages};
use serde_json::{Value, json};

use crate::killed::example;
use crate::support::{Api, LONG, condition, get, is_ready};

pub(crate) struct Running {
    pub(crate) api: Api,
    _dir: tempfile::TempDir,
    component: Component,
    node: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Process,
    Docker,
}

impl Running {
    pub(crate) async fn start(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("images")).unwrap();
        let reference = "app:1".parse().unwrap();
        store.pack_program(&reference, &example("container"), &[], LayerFiles::default()).unwrap();
        let of_runtime = Component::alone("runtime");
        let runtime: Arc<dyn ContainerRuntime> = match kind {
            Kind::Process => {
                let guard = [example("platform").into(), "guard".into()];
                Arc::new(ProcessRuntime::open(dir.path(), Some(&guard), &of_runtime).unwrap())
            }
            Kind::Docker => {
                let host = std::env::var("ROUSE_TEST_DOCKER")
                    .expect("ROUSE_TEST_DOCKER names no Docker engine; tests/run starts one");
                let store = store.clone();
                let connecting =
                    DockerRuntime::connect(Some(&host), dir.path(), store, None, &of_runtime);
                Arc::new(connecting.await.unwrap())
            }
        };
        let (api, component) = (Api::new(), Component::alone("node"));
        let config =
            Config { node_name: "n1".to_owned(), data_dir: dir.path().to_owned(), api: None };
        let node = Node::new(
            config,
            api.client(),
            Arc::new(StoreImages::new(store)),
            runtime,
            Arc::new(rouse_node::NoTraffic),
            component.clone(),
        );
        Self { node: tokio::spawn(node.run()), api, _dir: dir, component }
    }

    pub(crate) async fn stop(self) {
        self.component.shutdown.cancel();
        tokio::time::timeout(LONG, self.node).await.unwrap().unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        get(self.api.address("web", 8080), path).await
    }

    /// The status of a container of the pod.
    fn container(&self, name: &str) -> Value {
        container(self.api.pod("web").as_ref(), name)
    }

    pub(crate) async fn delete(&self) {
        self.api.delete_pod("web", 3);
        self.api.until("web", "gone", |pod| pod.is_none()).await;
    }
}

fn container(pod: Option<&Value>, name: &str) -> Value {
    let status = pod.map(|pod| &pod["status"]).unwrap_or(&Value::Null);
    let all = ["containerStatuses", "initContainerStatuses"];
    let mut all = all.iter().filter_map(|list| status[list].as_array()).flatten();
    all.find(|status| status["name"] == name).cloned().unwrap_or_default()
}

/// The serving container.
pub(crate) fn user(more: Value) -> Value {
    let mut base = json!({
        "name": "user", "image": "app:1",
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "PORT", "value": "8080"}],
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
    });
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

/// A container beside it, on a port that it is told.
fn beside(name: &str, port: u16, more: Value) -> Value {
    let mut base = json!({
        "name": name, "image": "app:1",
        "env": [{"name": "PORT", "value": port.to_string()}],
        "readinessProbe": {"httpGet": {"port": port, "path": "/"}, "periodSeconds": 1},
    });
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn spec(containers: Value) -> Value {
    json!({"nodeName": "n1", "terminationGracePeriodSeconds": 3, "containers": containers})
}

/// Two containers have one address; each is restarted alone, and both make the pod ready.
async fn share_an_address(kind: Kind) {
    let node = Running::start(kind).await;
    let port = free_port();
    let env =
        json!([{"name": "PORT", "value": port.to_string()}, {"name": "COLOR", "value": "red"}]);
    let side = beside("side", port, json!({ "env": env }));
    node.api.put_pod("web", spec(json!([user(json!({})), side])));
    node.api.until("web", "ready", is_ready).await;
    assert_eq!(node.get(&format!("/port?{port}")).await, "hello");
    assert_eq!(node.get("/env?COLOR").await, "", "each has variables of its own");
    let before = (node.container("user"), node.api.pod("web").unwrap()["status"]["podIP"].clone());

    let direct = node.api.address("web", 8080).ip();
    get((direct, port).into(), "/exit").await;
    let restarted =
        |pod: Option<&Value>| container(pod, "side")["restartCount"] == 1 && is_ready(pod);
    node.api.until("web", "ready with a restarted sidecar", restarted).await;
    assert_eq!(node.container("side")["lastState"]["terminated"]["exitCode"], 7);
    let after = (node.container("user"), node.api.pod("web").unwrap()["status"]["podIP"].clone());
    assert_eq!(after, before, "the other container and the address stay");
    assert_eq!(node.get(&format!("/port?{port}")).await, "hello");
    // The serving container, too, is restarted alone.
    node.get("/exit").await;
    let restarted =
        |pod: Option<&Value>| container(pod, "user")["restartCount"] == 1 && is_ready(pod);
    node.api.until("web", "ready with a restarted server", restarted).await;
    assert_eq!(node.container("side")["restartCount"], 1);
    assert_eq!(node.get(&format!("/port?{port}")).await, "hello");
    node.delete().await;
    node.stop().await;
}

#[tokio::test]
async fn process_containers_of_a_pod_share_an_address_and_are_restarted_alone() {
    share_an_address(Kind::Process).await;
}

#[tokio::test]
async fn docker_containers_of_a_pod_share_an_address_and_are_restarted_alone() {
    share_an_address(Kind::Docker).await;
}

/// A sidecar that does not pass its probe keeps the pod from being ready.
async fn all_make_it_ready(kind: Kind) {
    let node = Running::start(kind).await;
    let nothing_there =
        json!({"readinessProbe": {"tcpSocket": {"port": free_port()}, "periodSeconds": 1}});
    let side = beside("side", free_port(), nothing_there);
    node.api.put_pod("web", spec(json!([user(json!({})), side])));
    let user_alone = |pod: Option<&Value>| {
        let ready = condition(pod, "ContainersReady").unwrap_or_default();
        container(pod, "user")["ready"] == true
            && ready["message"] == "containers with unready status: [side]"
    };
    node.api.until("web", "not ready for its sidecar", user_alone).await;
    assert!(!is_ready(node.api.pod("web").as_ref()));
    node.stop().await;
}

#[tokio::test]
async fn process_pods_are_ready_when_all_their_containers_are() {
    all_make_it_ready(Kind::Process).await;
}

#[tokio::test]
async fn docker_pods_are_ready_when_all_their_containers_are() {
    all_make_it_ready(Kind::Docker).await;
}

/// Init containers run to their end in order, one that is always restarted runs on beside the others.
async fn init_containers(kind: Kind) {
    let node = Running::start(kind).await;
    let port = free_port();
    let probe = json!({"tcpSocket": {"port": port}, "periodSeconds": 1});
    let init = |name: &str, args: Value| {
        let mounts = json!([{"name": "shared", "mountPath": "/rouse-test"}]);
        json!({"name": name, "image": "app:1", "args": args, "volumeMounts": mounts})
    };
    let mut spec = spec(json!([user(json!({}))]));
    spec["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
    spec["initContainers"] = json!([
        init("first", json!(["write", "/rouse-test/first", "1"])),
        beside("proxy", port, json!({"restartPolicy": "Always", "startupProbe": probe})),
        init("last", json!(["write", "/rouse-test/last", "2"])),
    ]);
    node.api.put_pod("web", spec);
    node.api.until("web", "ready", is_ready).await;
    for name in ["first", "last"] {
        let ended = &node.container(name)["state"]["terminated"];
        assert_eq!(ended["reason"], "Completed", "{name}");
        assert_eq!(node.container(name)["ready"], true);
    }
    let times = ["first", "last"].map(|name| {
        let ended = node.container(name)["state"]["terminated"]["finishedAt"].clone();
        ended.as_str().unwrap().to_owned()
    });
    let began = node.container("proxy")["state"]["running"]["startedAt"].clone();
    assert!(
        times[0].as_str() <= began.as_str().unwrap()
            && began.as_str().unwrap() <= times[1].as_str()
    );
    assert_eq!(node.get(&format!("/port?{port}")).await, "hello", "the sidecar runs on");
    node.delete().await;

    let mut spec = crate::pods::spec(json!([user(json!({}))]));
    spec["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
    spec["initContainers"] = json!([init("first", json!(["fail"]))]);
    node.api.put_pod("web", spec);
    let loops = |pod: Option<&Value>| {
        container(pod, "first")["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    };
    node.api.until("web", "in a back-off of its init container", loops).await;
    assert_eq!(node.container("first")["restartCount"], 1);
    assert_eq!(node.container("user")["state"]["waiting"]["reason"], "PodInitializing");
    node.delete().await;
    node.stop().await;
}

#[tokio::test]
async fn process_init_containers_run_in_order_and_sidecars_beside_the_others() {
    init_containers(Kind::Process).await;
}

#[tokio::test]
async fn docker_init_containers_run_in_order_and_sidecars_beside_the_others() {
    init_containers(Kind::Docker).await;
}

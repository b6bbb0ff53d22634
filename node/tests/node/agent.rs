//! The agent with processes and with scripted pods, against an API of a few lines.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Api, LONG, condition, get, is_ready, waiting};
use rouse_image::Logins;
use rouse_kit::Component;
use rouse_node::runtime::fake::{FakeRuntime, Script};
use rouse_node::runtime::process::ProcessRuntime;
use rouse_node::runtime::{BoxFuture, ContainerRuntime};
use rouse_node::{Config, ImageError, Images, KubeletService, LocalImage, Node, StoreImages};
use serde_json::{Value, json};

/// One image that is here, and none that can be pulled.
struct OneImage(Arc<LocalImage>);

impl Images for OneImage {
    fn find(&self, reference: &str) -> Result<Option<Arc<LocalImage>>, ImageError> {
        Ok((reference == self.0.reference).then(|| Arc::clone(&self.0)))
    }

    fn pull<'a>(
        &'a self,
        _: &'a str,
        _: Logins,
    ) -> BoxFuture<'a, Result<Arc<LocalImage>, ImageError>> {
        Box::pin(async { Err(ImageError::Store("no such image".to_owned())) })
    }
}

fn image(rootfs: &Path) -> OneImage {
    std::fs::create_dir_all(rootfs).unwrap();
    OneImage(Arc::new(LocalImage::empty("app:1", rootfs)))
}

struct Running {
    api: Api,
    dir: tempfile::TempDir,
    component: Component,
    kubelet: KubeletService,
    node: tokio::task::JoinHandle<()>,
}

fn start_in(api: Api, dir: tempfile::TempDir, runtime: Arc<dyn ContainerRuntime>) -> Running {
    let images = Arc::new(image(&dir.path().join("rootfs")));
    start_with(api, dir, images, runtime)
}

fn start_with(
    api: Api,
    dir: tempfile::TempDir,
    images: Arc<dyn Images>,
    runtime: Arc<dyn ContainerRuntime>,
) -> Running {
    let component = Component::alone("node");
    let config = Config { node_name: "n1".to_owned(), data_dir: dir.path().to_owned(), api: None };
    let node = Node::new(
        config,
        api.client(),
        images,
        runtime,
        Arc::new(rouse_node::NoTraffic),
        component.clone(),
    );
    Running { kubelet: node.kubelet(), node: tokio::spawn(node.run()), api, dir, component }
}

fn processes() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let runtime =
        Arc::new(ProcessRuntime::open(dir.path(), None, &Component::alone("runtime")).unwrap());
    start_in(Api::new(), dir, runtime)
}

fn fakes(script: Script) -> Running {
    let dir = tempfile::tempdir().unwrap();
    start_in(Api::new(), dir, Arc::new(FakeRuntime::new(script)))
}

impl Running {
    async fn stop(self) -> (Api, tempfile::TempDir) {
        self.component.shutdown.cancel();
        tokio::time::timeout(LONG, self.node).await.unwrap().unwrap();
        (self.api, self.dir)
    }
}

/// Serves the working directory on `PORT`, or sleeps a moment first.
fn server(script: &str) -> Value {
    json!({"nodeName": "n1", "terminationGracePeriodSeconds": 3, "containers": [{
        "name": "user", "image": "app:1",
        "command": ["/bin/sh", "-c", script],
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "PORT", "value": "8080"}],
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
    }]})
}

const SERVE: &str = "exec python3 -m http.server --bind 127.0.0.1 $PORT";

#[tokio::test]
async fn a_pod_becomes_ready_publishes_its_address_and_goes_when_deleted() {
    let node = processes();
    node.api.put_pod("web", server(SERVE));
    node.api.until("web", "ready", is_ready).await;
    let pod = node.api.pod("web").unwrap();
    let address = node.api.address("web", 8080);
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["status"]["podIP"], "127.0.0.1");
    let mut events = node.api.events();
    events.retain(|event| !event.starts_with("Unhealthy"));
    events.sort();
    assert_eq!(
        events,
        [
            "Created: Created container: user",
            "Pulled: Container image \"app:1\" already present on machine",
            "Started: Started container user",
        ]
    );
    node.api.delete_pod("web", 3);
    node.api.until("web", "gone", |pod| pod.is_none()).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    node.stop().await;
}

#[tokio::test]
async fn an_image_of_a_program_runs_as_a_process_with_its_own_libraries() {
    let dir = tempfile::tempdir().unwrap();
    let store = rouse_image::Store::open(dir.path().join("images")).unwrap();
    let program = crate::killed::example("container");
    let reference = "app:1".parse().unwrap();
    store.pack_program(&reference, &program, &[], Default::default()).unwrap();
    let runtime =
        Arc::new(ProcessRuntime::open(dir.path(), None, &Component::alone("runtime")).unwrap());
    let node = start_with(Api::new(), dir, Arc::new(StoreImages::new(store)), runtime);
    let mut spec = server("");
    let container = spec["containers"][0].as_object_mut().unwrap();
    container.remove("command");
    container.insert("args".to_owned(), json!(["--port=$(PORT)"]));
    node.api.put_pod("web", spec);
    node.api.until("web", "ready", is_ready).await;
    let address = node.api.address("web", 8080);
    assert_eq!(get(address, "/args").await, format!("--port={}", address.port()));
    assert!(get(address, "/file?/proc/self/maps").await.contains("/images/"), "its own libraries");
    node.stop().await;
}

#[tokio::test]
async fn pods_start_again_with_the_next_run_of_the_platform() {
    let node = processes();
    node.api.put_pod("web", server(SERVE));
    node.api.until("web", "ready", is_ready).await;
    let (api, dir) = node.stop().await;
    assert!(is_ready(api.pod("web").as_ref()), "the end of the platform is not the pod's");
    let runtime =
        Arc::new(ProcessRuntime::open(dir.path(), None, &Component::alone("runtime")).unwrap());
    let node = start_in(api, dir, runtime);
    let again = |pod: Option<&Value>| {
        is_ready(pod) && pod.unwrap()["status"]["containerStatuses"][0]["restartCount"] == 1
    };
    node.api.until("web", "ready again", again).await;
    node.stop().await;
}

#[tokio::test]
async fn a_program_that_ignores_port_is_reported_on_the_pod() {
    let node = processes();
    let script = "exec python3 -u -c \"import socket,time; s=socket.socket(); \
                  s.bind(('127.0.0.1',0)); s.listen(); time.sleep(600)\"";
    node.api.put_pod("web", server(script));
    let told = |pod: Option<&Value>| {
        condition(pod, "Ready").is_some_and(|ready| ready["reason"] == "PortIgnored")
    };
    node.api.until("web", "told", told).await;
    let ready = condition(node.api.pod("web").as_ref(), "Ready").unwrap();
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("not on PORT="), "{message}");
    node.api.until_event("PortIgnored").await;
    node.stop().await;
}

#[tokio::test]
async fn variables_come_from_config_maps_once_they_are_there() {
    let node = processes();
    let mut spec = server("echo color $COLOR; sleep 600");
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "paint"}}]);
    spec["containers"][0].as_object_mut().unwrap().remove("readinessProbe");
    node.api.put_pod("web", spec);
    let refused = |pod: Option<&Value>| waiting(pod) == Some("CreateContainerConfigError");
    node.api.until("web", "refused", refused).await;
    node.api.until_event("Error: configmap \"paint\" not found").await;
    let map = json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "paint"}, "data": {"COLOR": "red"},
    });
    node.api.put("/api/v1/namespaces/demo/configmaps/paint", map);
    node.api.until("web", "ready", is_ready).await;
    node.stop().await;
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_an_image_pull_error() {
    let node = processes();
    let mut spec = server(SERVE);
    spec["containers"][0]["image"] = json!("no/such:1");
    node.api.put_pod("web", spec);
    node.api.until("web", "refused", |pod| waiting(pod) == Some("ErrImagePull")).await;
    node.api.until_event("Failed to pull image \"no/such:1\": no such image").await;
    node.api.delete_pod("web", 30);
    node.api.until("web", "gone", |pod| pod.is_none()).await;
    node.stop().await;
}

#[tokio::test]
async fn a_start_writes_two_statuses_and_its_address() {
    let node = fakes(Script { ready: Duration::from_millis(200), ..Script::default() });
    node.api.put_pod("web", server(""));
    node.api.until("web", "ready", is_ready).await;
    assert_eq!(node.api.writes("/pods/web/status"), 2, "running, then ready");
    node.stop().await;
}

#[tokio::test]
async fn a_thousand_scripted_pods_become_ready_and_go() {
    let node = fakes(Script { ready: Duration::from_millis(20), ..Script::default() });
    for n in 0..1000 {
        node.api.put_pod(&format!("web-{n}"), server(""));
    }
    for n in 0..1000 {
        node.api.until(&format!("web-{n}"), "ready", is_ready).await;
    }
    for n in 0..1000 {
        node.api.delete_pod(&format!("web-{n}"), 30);
    }
    for n in 0..1000 {
        node.api.until(&format!("web-{n}"), "gone", |pod| pod.is_none()).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_crashing_program_backs_off_and_its_last_words_are_kept() {
    let node = processes();
    let mut spec = server("echo cannot load the model >&2; exit 4");
    spec["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    node.api.put_pod("web", spec);
    node.api.until("web", "backing off", |pod| waiting(pod) == Some("CrashLoopBackOff")).await;
    let pod = node.api.pod("web").unwrap();
    let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(last["exitCode"], 4);
    assert_eq!(last["message"], "cannot load the model\n");
    node.api.until_event("Back-off restarting failed container user in pod web_demo(").await;
    node.stop().await;
}

/// The answer of a path of the kubelet's.
async fn asked(node: &Running, path: &str) -> Value {
    let request = http::Request::get(path).body(bytes::Bytes::new()).unwrap();
    let response = tower::ServiceExt::oneshot(node.kubelet.clone(), request).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn the_usage_of_a_running_pod_is_reported_as_by_the_kubelet_and_cadvisor() {
    let node = processes();
    let busy = json!({"nodeName": "n1", "containers": [{
        "name": "user", "image": "app:1", "command": ["/bin/sh", "-c", "while :; do :; done"],
    }]});
    node.api.put_pod("busy", busy);
    node.api.until("busy", "ready", is_ready).await;
    let used = async {
        loop {
            let summary = asked(&node, "/stats/summary").await;
            if summary["pods"][0]["cpu"]["usageNanoCores"].as_u64().is_some_and(|cores| cores > 0) {
                return summary;
            }
            tokio::task::yield_now().await;
        }
    };
    let summary = tokio::time::timeout(LONG, used).await.unwrap();
    let pod = &summary["pods"][0];
    assert_eq!(
        (&summary["node"]["nodeName"], &pod["podRef"]["name"]),
        (&json!("n1"), &json!("busy"))
    );
    assert_eq!(pod["containers"][0]["name"], "user");
    assert!(pod["memory"]["workingSetBytes"].as_u64().unwrap() > 4096, "{pod}");
    let labels = r#"{namespace="demo",pod="busy",container="user"}"#;
    let lines = ["container_cpu_usage_seconds_total", "container_memory_working_set_bytes"];
    let metrics = node.component.metrics.encode();
    for name in lines {
        assert!(metrics.contains(&format!("{name}{labels}")), "{metrics}");
    }
    assert!(metrics.contains("kubelet_running_pods 1"), "{metrics}");
    assert!(
        metrics.contains(r#"rouse_node_pod_start_duration_seconds_count{phase="ready"} 1"#),
        "{metrics}"
    );
    let page = node.component.debug.render("pods").unwrap().unwrap();
    assert_eq!((&page[0]["name"], &page[0]["phase"]), (&json!("busy"), &json!("Running")));
    assert_eq!(page[0]["containers"][0]["state"], "running");
    node.api.delete_pod("busy", 0);
    node.api.until("busy", "gone", |pod| pod.is_none()).await;
    node.stop().await;
}

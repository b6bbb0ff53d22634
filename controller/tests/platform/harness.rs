//! An embedded cluster with the controller, and doubles for all other components.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, NamespaceResourceScope};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use rouse_api::PodAutoscaler;
use rouse_apiserver::admission::{Hook, Phase, Rule};
use rouse_apiserver::{Cluster, Storage};
use rouse_controller::{
    Activators, Asking, Config, Images, NotPinned, NotServed, Routed, Settings, admission,
};
use rouse_kit::{Clock, Component, Process, Shutdown};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

pub(crate) const NAMESPACE: &str = "shop";
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Activators that serve everything while they are open.
pub(crate) struct Gate {
    pub(crate) open: AtomicBool,
    changed: watch::Sender<()>,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
        self.changed.send_replace(());
    }
}

struct Doubles(Arc<Gate>);

impl Activators for Doubles {
    fn served(
        &self,
        _: Routed,
        _: &str,
        _: &str,
        _: i64,
    ) -> BoxFuture<'static, Result<(), NotServed>> {
        let gate = Arc::clone(&self.0);
        async move {
            let mut changed = gate.changed.subscribe();
            while !gate.open.load(Ordering::SeqCst) {
                changed.changed().await.map_err(|e| NotServed(e.to_string()))?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// Every image exists but those called `missing`; looking for `poison` panics while it is poisonous, and no image called
/// `far` is answered for while the registry is unreachable.
struct Registry {
    poisonous: Arc<AtomicBool>,
    unreachable: Arc<AtomicBool>,
}

impl Images for Registry {
    fn pin(&self, image: String, _: Asking) -> BoxFuture<'static, Result<String, NotPinned>> {
        let name = image.split(':').next().unwrap_or_default().to_owned();
        let digest = "0".repeat(64);
        let poisonous = self.poisonous.load(Ordering::SeqCst);
        let unreachable = self.unreachable.load(Ordering::SeqCst);
        let no = |message: &str, unreached| NotPinned { message: message.to_owned(), unreached };
        async move {
            match name.as_str() {
                "poison" if poisonous => panic!("an invariant of images is broken"),
                "missing" => Err(no("there is no such image", false)),
                "far" if unreachable => Err(no("the registry does not answer", true)),
                _ => Ok(format!("{name}@sha256:{digest}")),
            }
        }
        .boxed()
    }
}

pub(crate) struct Platform {
    cluster: Cluster,
    client: Client,
    settings: Settings,
    clock: Clock,
    pub(crate) activators: Arc<Gate>,
    pub(crate) poisonous: Arc<AtomicBool>,
    pub(crate) unreachable: Arc<AtomicBool>,
    shutdown: Shutdown,
    controller: Option<Component>,
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let clock = Clock::of_tokio();
        let initial: Vec<Value> =
            serde_json::from_str(include_str!("../../../manifests/initial.json")).unwrap();
        let config = rouse_apiserver::Config {
            storage: Storage::Memory,
            initial: initial.into_iter().flat_map(with_system_objects).collect(),
            clock,
            ca: String::new(),
        };
        let cluster = Cluster::open(config).unwrap();
        let settings = Config::default().settings;
        cluster.set_hooks(hooks(&settings));
        let client = cluster.client("system:admin");
        let shutdown = Shutdown::new();
        let (changed, _) = watch::channel(());
        let activators = Arc::new(Gate { open: AtomicBool::new(true), changed });
        let poisonous = Arc::new(AtomicBool::new(true));
        let unreachable = Arc::new(AtomicBool::new(true));
        let controller = None;
        let mut platform = Self {
            cluster,
            client,
            settings,
            clock,
            activators,
            poisonous,
            unreachable,
            shutdown,
            controller,
        };
        let doubles = Process::new(clock).component("doubles", platform.shutdown.clone());
        let builtin = rouse_controllers::Config::of(&platform.cluster);
        rouse_controllers::start(&builtin, &doubles);
        let end = platform.shutdown.clone();
        let node = end.run_until_cancelled_owned(play_node(platform.client.clone()));
        doubles.tasks.detached("node", node.map(drop));
        let end = platform.shutdown.clone();
        let autoscaler = end.run_until_cancelled_owned(play_autoscaler(platform.client.clone()));
        doubles.tasks.detached("autoscaler", autoscaler.map(drop));
        platform.start_controller();
        platform.add_node().await;
        platform
    }

    async fn add_node(&self) {
        let api: Api<Node> = Api::all(self.client.clone());
        let node = json!({"metadata": {"name": "laptop"}});
        api.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
        let size = json!({"cpu": "8", "memory": "16Gi", "pods": "110"});
        let status = json!({"status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": size, "capacity": size,
        }});
        let params = PatchParams::default();
        api.patch_status("laptop", &params, &Patch::Merge(status)).await.unwrap();
        let untainted = json!({"spec": {"taints": null}});
        api.patch("laptop", &params, &Patch::Merge(untainted)).await.unwrap();
    }

    pub(crate) fn start_controller(&mut self) {
        let shutdown = self.shutdown.child_token();
        let config = Config { drain: Duration::from_secs(5), settings: self.settings.clone() };
        let client = self.cluster.client("system:serviceaccount:knative-serving:controller");
        let activators = Arc::new(Doubles(Arc::clone(&self.activators)));
        let component = Process::new(self.clock).component("controller", shutdown);
        let images = Arc::new(Registry {
            poisonous: Arc::clone(&self.poisonous),
            unreachable: Arc::clone(&self.unreachable),
        });
        rouse_controller::start(config, client, activators, images, component.clone());
        self.controller = Some(component);
    }

    /// The controller's metrics in text form.
    pub(crate) fn metrics(&self) -> String {
        self.controller.as_ref().unwrap().metrics.encode()
    }

    pub(crate) async fn restart_controller(&mut self) {
        self.stop_controller().await;
        self.start_controller();
    }

    pub(crate) async fn stop_controller(&mut self) {
        let component = self.controller.take().unwrap();
        component.shutdown.cancel();
        component.tasks.finish().await;
    }

    fn api<K>(&self, namespace: Option<&str>) -> Api<DynamicObject>
    where
        K: Resource<DynamicType = ()>,
    {
        let resource = ApiResource::erase::<K>(&());
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    pub(crate) async fn create<K: Resource<DynamicType = ()>>(&self, object: &Value) {
        let namespace = object["metadata"]["namespace"].as_str();
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        self.api::<K>(namespace).create(&PostParams::default(), &object).await.unwrap();
    }

    /// As `kubectl replace` does: replaces the present version, unless the object names one.
    pub(crate) async fn replace<K: Resource<DynamicType = ()>>(&self, object: &Value) {
        let api = self.api::<K>(object["metadata"]["namespace"].as_str());
        let mut object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        for _ in 0..20 {
            let now = api.get(&object.name_any()).await.unwrap();
            object.metadata.resource_version = now.metadata.resource_version;
            match api.replace(&object.name_any(), &PostParams::default(), &object).await {
                // The controller was faster.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                result => return drop(result.unwrap()),
            }
        }
        panic!("it changes all the time");
    }

    pub(crate) async fn patch<K: Resource<DynamicType = ()>>(&self, name: &str, patch: &Value) {
        self.patch_in::<K>(NAMESPACE, name, patch).await;
    }

    pub(crate) async fn patch_in<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) {
        let api = self.api::<K>(Some(namespace));
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete<K: Resource<DynamicType = ()>>(&self, name: &str) {
        self.api::<K>(Some(NAMESPACE)).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Foreground deletion: its children go first.
    pub(crate) async fn delete_last<K: Resource<DynamicType = ()>>(&self, name: &str) {
        self.api::<K>(Some(NAMESPACE)).delete(name, &DeleteParams::foreground()).await.unwrap();
    }

    pub(crate) async fn get<K: Resource<DynamicType = ()>>(&self, name: &str) -> Value {
        let object = self.api::<K>(Some(NAMESPACE)).get(name).await.unwrap();
        serde_json::to_value(object).unwrap()
    }

    pub(crate) async fn names<K>(&self) -> Vec<String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let api = self.api::<K>(Some(NAMESPACE));
        let list = api.list(&ListParams::default()).await.unwrap();
        list.items.iter().map(ResourceExt::name_any).collect()
    }

    pub(crate) async fn all<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        Api::all(self.client.clone()).list(&ListParams::default()).await.unwrap().items
    }

    /// The first state that `holds`.
    pub(crate) async fn wait<K: Resource<DynamicType = ()>>(
        &self,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        self.wait_in::<K>(NAMESPACE, name, holds).await
    }

    pub(crate) async fn wait_in<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let resource = ApiResource::erase::<K>(&());
        let api = self.api::<K>(Some(namespace));
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut changes = watcher(api, config).applied_objects().boxed();
        let found = tokio::time::timeout(WAIT_MAX, async {
            while let Some(object) = changes.try_next().await.unwrap() {
                last = serde_json::to_value(object).unwrap();
                if holds(&last) {
                    return last.clone();
                }
            }
            panic!("the watch ended");
        })
        .await;
        found.unwrap_or_else(|_| panic!("{} {name} did not get there:\n{last:#}", resource.kind))
    }

    /// The first object of a kind that `fits`.
    pub(crate) async fn wait_any<K>(&self, fits: impl Fn(&K) -> bool) -> K
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let mut changes = watcher(api, watcher::Config::default()).applied_objects().boxed();
        let found = tokio::time::timeout(WAIT_MAX, async {
            while let Some(object) = changes.try_next().await.unwrap() {
                if fits(&object) {
                    return object;
                }
            }
            panic!("the watch ended");
        });
        found.await.unwrap_or_else(|_| panic!("there is no such {}", K::kind(&())))
    }

    pub(crate) async fn wait_gone<K: Resource<DynamicType = ()>>(&self, name: &str) {
        let api = self.api::<K>(Some(NAMESPACE));
        let gone = tokio::time::timeout(WAIT_MAX, async {
            while api.get_opt(name).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        });
        gone.await.unwrap_or_else(|_| panic!("{name} is still there"));
    }

    /// The object once nothing changes it any more: a later write of the test is then not changed.
    pub(crate) async fn settled<K: Resource<DynamicType = ()>>(&self, name: &str) -> Value {
        let settled = tokio::time::timeout(WAIT_MAX, async {
            loop {
                let before = self.get::<K>(name).await;
                for _ in 0..2000 {
                    tokio::task::yield_now().await;
                }
                let after = self.get::<K>(name).await;
                if before == after {
                    return after;
                }
            }
        });
        settled.await.unwrap_or_else(|_| panic!("{name} changes all the time"))
    }
}

/// Starts scheduled pods: a pod of `crashing` exits with 5, all others become ready. Ends deleted
/// pods at once.
async fn play_node(client: Client) {
    let pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default());
    let mut pods = pods.default_backoff().applied_objects().boxed();
    while let Some(pod) = pods.next().await {
        let Ok(pod) = pod else { continue };
        let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap());
        if pod.metadata.deletion_timestamp.is_some() {
            // The pod may be gone already.
            let _ = api.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
            continue;
        }
        let scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        let started = pod.status.as_ref().is_some_and(|s| s.container_statuses.is_some());
        if !scheduled || started {
            continue;
        }
        let image = pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap_or_default();
        let crashes = image.starts_with("crashing");
        let state = if crashes {
            json!({"waiting": {"reason": "CrashLoopBackOff"}})
        } else {
            json!({"running": {"startedAt": "2026-03-02T10:00:00Z"}})
        };
        let last = if crashes {
            json!({"terminated": {"exitCode": 5, "reason": "Error", "message": "no model file\n"}})
        } else {
            json!({})
        };
        let ready = if crashes { "False" } else { "True" };
        let status = json!({"status": {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": ready},
                {"type": "ContainersReady", "status": ready},
            ],
            "containerStatuses": [{
                "name": "user-container", "ready": !crashes, "restartCount": 1, "image": image,
                "imageID": image, "state": state, "lastState": last,
            }],
        }});
        // The pod may be gone meanwhile.
        let _ =
            api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
    }
}

/// Calls a PodAutoscaler initialized and active once one of its pods is ready.
async fn play_autoscaler(client: Client) {
    let labels = watcher::Config::default().labels("serving.knative.dev/revision");
    let pods = watcher(Api::<Pod>::all(client.clone()), labels);
    let mut pods = pods.default_backoff().applied_objects().boxed();
    while let Some(pod) = pods.next().await {
        let Ok(pod) = pod else { continue };
        let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
        if !conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True") {
            continue;
        }
        let status = json!({"status": {
            "desiredScale": 1, "actualScale": 1,
            "conditions": [
                {"type": "Active", "status": "True"},
                {"type": "Ready", "status": "True"},
                {"type": "ScaleTargetInitialized", "status": "True"},
            ],
        }});
        let api: Api<PodAutoscaler> = Api::namespaced(client.clone(), &pod.namespace().unwrap());
        let revision = &pod.labels()["serving.knative.dev/revision"];
        let _ = api.patch_status(revision, &PatchParams::default(), &Patch::Merge(status)).await;
    }
}

/// A namespace is followed by the objects that the binary adds. The system namespace comes first,
/// and objects that exist are not created again.
fn with_system_objects(object: Value) -> Vec<Value> {
    let own = if object["kind"] == "Namespace" { system_objects() } else { Vec::new() };
    std::iter::once(object).chain(own).collect()
}

/// A namespace to work in, a domain, the gateway's port.
fn system_objects() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "config-domain", "namespace": "knative-serving"},
            "data": {"localhost": ""},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "gateway", "namespace": "knative-serving"},
            "spec": {"ports": [{"name": "http", "port": 7080}]},
        }),
    ]
}

fn hooks(settings: &Settings) -> Vec<Hook> {
    let settings = settings.clone();
    let live: admission::LiveConfig = Arc::new(move || settings.get());
    admission::hooks(&live, Arc::new(|_, _| Ok(())))
        .into_iter()
        .map(|hook| Hook {
            name: hook.name.to_owned(),
            phase: match hook.phase {
                admission::Phase::Mutating => Phase::Mutating,
                admission::Phase::Validating => Phase::Validating,
            },
            rules: hook.rules.iter().map(rule).collect(),
            review: hook.review,
        })
        .collect()
}

fn rule(rule: &admission::Rule) -> Rule {
    Rule {
        group: rule.group.to_owned(),
        resources: rule.resources.iter().map(ToString::to_string).collect(),
        operations: vec!["CREATE".to_owned(), "UPDATE".to_owned()],
    }
}

pub(crate) fn service(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
    })
}

/// The status of a condition, or nothing.
pub(crate) fn condition(object: &Value, type_: &str) -> String {
    field(object, type_, "status")
}

pub(crate) fn reason(object: &Value, type_: &str) -> String {
    field(object, type_, "reason")
}

pub(crate) fn message(object: &Value, type_: &str) -> String {
    field(object, type_, "message")
}

fn field(object: &Value, type_: &str, field: &str) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|c| c["type"] == type_);
    found.and_then(|c| c[field].as_str()).unwrap_or_default().to_owned()
}

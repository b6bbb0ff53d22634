//! The cluster that is tested: an embedded one of this run, or the one of a kubeconfig.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rouse_tests::{Platform, wait};
use serde_json::{Map, Value, json};

/// Longest wait for anything but a start of pods.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Longest wait for pods.
pub(crate) const READY: Duration = Duration::from_secs(60);

/// How often a wait looks: those of a whole run ask one API.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// How containers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Process,
    Docker,
    /// The kubelet of a cluster that is not ours.
    Kubelet,
}

/// A connection to a cluster, and how its Services are reached from here.
pub(crate) struct Cluster {
    pub(crate) runtime: Runtime,
    pub(crate) image: String,
    gateway: Option<SocketAddr>,
    client: kube::Client,
    tasks: tokio::runtime::Runtime,
    _platform: Option<Platform>,
}

impl Cluster {
    /// A platform of this run.
    pub(crate) fn embedded(runtime: Runtime) -> anyhow::Result<Self> {
        let name = match runtime {
            Runtime::Docker => "docker",
            _ => "process",
        };
        if runtime == Runtime::Docker {
            std::env::var("ROUSE_TEST_DOCKER")
                .context("ROUSE_TEST_DOCKER names no Docker engine; tests/run starts one")?;
        }
        let platform = Platform::start_with(name)?;
        platform.build_server(Path::new(env!("CARGO_BIN_EXE_test-server")))?;
        let mut cluster = Self::connected(&platform.kubeconfig, runtime)?;
        cluster.gateway = Some(platform.http);
        cluster._platform = Some(platform);
        Ok(cluster)
    }

    /// The same with these keys of `config-features` enabled, once the platform follows them.
    pub(crate) fn admitting(self, features: &[&str]) -> anyhow::Result<Self> {
        let data: Map<String, Value> =
            features.iter().map(|key| ((*key).to_owned(), json!("Enabled"))).collect();
        self.set("config-features", &json!(data))?;
        let made = json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": { "name": "tried" },
            "spec": { "template": { "spec": {
                "initContainers": [{ "image": self.image }], "containers": [{ "image": self.image }] } } },
        });
        let path = "/apis/serving.knative.dev/v1/namespaces/default/services?dryRun=All";
        wait::until_every(EVERY, "the features", SOON, || {
            self.ask("POST", path, JSON, &made).map(drop).map_err(|error| error.to_string())
        })?;
        Ok(self)
    }

    /// Sets keys of a ConfigMap in the system namespace.
    pub(crate) fn set(&self, map: &str, data: &Value) -> Result<Value, Refusal> {
        self.change(map, &json!({ "data": data }))
    }

    /// Changes a ConfigMap in the system namespace.
    pub(crate) fn change(&self, map: &str, patch: &Value) -> Result<Value, Refusal> {
        let path = format!("/api/v1/namespaces/knative-serving/configmaps/{map}");
        self.ask("PATCH", &path, "application/merge-patch+json", patch)
    }

    /// Claims a domain for a namespace.
    pub(crate) fn claim_domain(&self, domain: &str, namespace: &str) -> Result<(), Refusal> {
        let claim = json!({ "apiVersion": "networking.internal.knative.dev/v1alpha1", "kind": "ClusterDomainClaim",
            "metadata": { "name": domain }, "spec": { "namespace": namespace } });
        self.ask("POST", DOMAIN_CLAIMS, JSON, &claim).map(drop)
    }

    pub(crate) fn unclaim_domain(&self, domain: &str) -> Result<(), Refusal> {
        self.ask("DELETE", &format!("{DOMAIN_CLAIMS}/{domain}"), JSON, &Value::Null).map(drop)
    }

    /// The cluster of a kubeconfig. `ROUSE_TEST_IMAGE` is the test server's image there, and
    /// `ROUSE_TEST_GATEWAY` an address of the gateway if its URLs do not lead to it.
    pub(crate) fn foreign(kubeconfig: &Path) -> anyhow::Result<Self> {
        let mut cluster = Self::connected(kubeconfig, Runtime::Kubelet)?;
        if let Ok(image) = std::env::var("ROUSE_TEST_IMAGE") {
            cluster.image = image;
        }
        if let Ok(gateway) = std::env::var("ROUSE_TEST_GATEWAY") {
            cluster.gateway = Some(address(&gateway)?);
        }
        Ok(cluster)
    }

    fn connected(kubeconfig: &Path, runtime: Runtime) -> anyhow::Result<Self> {
        let tasks =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _entered = tasks.enter();
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = tasks.block_on(kube::Config::from_custom_kubeconfig(kubeconfig, &options))?;
        let client = kube::Client::try_from(config)?;
        drop(_entered);
        Ok(Self {
            runtime,
            image: "test-server".to_owned(),
            gateway: None,
            client,
            tasks,
            _platform: None,
        })
    }

    /// One request to the API: its answer, or the message of its refusal.
    fn ask(&self, method: &str, path: &str, kind: &str, body: &Value) -> Result<Value, Refusal> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(body)
            .map_err(|error| Refusal { code: 0, message: error.to_string() })?;
        match self.tasks.block_on(self.client.request::<Value>(request)) {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => {
                Err(Refusal { code: status.code, message: status.message.clone() })
            }
            Err(error) => Err(Refusal { code: 0, message: format!("{method} {path}: {error:?}") }),
        }
    }
}

/// An answer of 400 or above; 0 for none at all.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let all =
        || if text.contains(':') { text.to_socket_addrs() } else { (text, 80).to_socket_addrs() };
    all().with_context(|| format!("resolve {text}"))?.next().context("an address")
}

/// A namespace of one test's own.
pub(crate) struct Space<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: String,
}

/// Where the objects of a kind are.
fn collection(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "ksvc" => ("/apis/serving.knative.dev/v1", "services"),
        "configuration" => ("/apis/serving.knative.dev/v1", "configurations"),
        "route" => ("/apis/serving.knative.dev/v1", "routes"),
        "revision" => ("/apis/serving.knative.dev/v1", "revisions"),
        "domainmapping" => ("/apis/serving.knative.dev/v1beta1", "domainmappings"),
        "podautoscaler" => ("/apis/autoscaling.internal.knative.dev/v1alpha1", "podautoscalers"),
        "deployment" => ("/apis/apps/v1", "deployments"),
        "hpa" => ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
        "pod" => ("/api/v1", "pods"),
        "service" => ("/api/v1", "services"),
        "secret" => ("/api/v1", "secrets"),
        "serviceaccount" => ("/api/v1", "serviceaccounts"),
        "quota" => ("/api/v1", "resourcequotas"),
        "claim" => ("/api/v1", "persistentvolumeclaims"),
        _ => ("/api/v1", "configmaps"),
    }
}

const JSON: &str = "application/json";
const DOMAIN_CLAIMS: &str = "/apis/networking.internal.knative.dev/v1alpha1/clusterdomainclaims";

impl<'a> Space<'a> {
    pub(crate) fn new(cluster: &'a Cluster, about: &str) -> anyhow::Result<Self> {
        let about: String = about
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect::<String>()
            .to_lowercase();
        let body = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "generateName": format!("t-{about}-"), "labels": { "rouse-tests": "conformance" } } });
        let made = cluster.ask("POST", "/api/v1/namespaces", JSON, &body)?;
        let name = made["metadata"]["name"].as_str().context("a namespace's name")?;
        Ok(Self { cluster, name: name.to_owned() })
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.cluster.tasks.block_on(future)
    }

    fn path(&self, kind: &str, rest: &str) -> String {
        let (group, plural) = collection(kind);
        format!("{group}/namespaces/{}/{plural}{rest}", self.name)
    }

    pub(crate) fn try_create(&self, kind: &str, object: &Value) -> Result<Value, Refusal> {
        self.cluster.ask("POST", &self.path(kind, ""), JSON, object)
    }

    pub(crate) fn create(&self, kind: &str, object: &Value) -> anyhow::Result<Value> {
        Ok(self.try_create(kind, object)?)
    }

    /// Creates an object; the warnings that come with the answer.
    pub(crate) fn create_warned(&self, kind: &str, object: &Value) -> anyhow::Result<Vec<String>> {
        let request = http::Request::post(self.path(kind, "")).header("content-type", JSON);
        let request = request.body(kube::client::Body::from(object.to_string().into_bytes()))?;
        let answer = self.block_on(self.cluster.client.send(request))?;
        ensure!(answer.status().is_success(), "{answer:?}");
        let warnings = answer.headers().get_all("warning").iter();
        Ok(warnings.filter_map(|said| said.to_str().ok()).map(str::to_owned).collect())
    }

    /// The object as it would be stored.
    pub(crate) fn dry_run(&self, kind: &str, object: &Value) -> Result<Value, Refusal> {
        self.cluster.ask("POST", &self.path(kind, "?dryRun=All"), JSON, object)
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Result<Value, Refusal> {
        self.cluster.ask("GET", &self.path(kind, &format!("/{name}")), JSON, &Value::Null)
    }

    pub(crate) fn list(&self, kind: &str, selector: &str) -> anyhow::Result<Vec<Value>> {
        let selector = selector.replace('/', "%2F").replace('=', "%3D");
        let path = self.path(kind, &format!("?labelSelector={selector}"));
        let mut list = self.cluster.ask("GET", &path, JSON, &Value::Null)?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    pub(crate) fn replace(&self, kind: &str, object: &Value) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.cluster.ask("PUT", &self.path(kind, &format!("/{name}")), JSON, object)
    }

    pub(crate) fn merge(&self, kind: &str, name: &str, patch: &Value) -> Result<Value, Refusal> {
        let path = self.path(kind, &format!("/{name}"));
        self.cluster.ask("PATCH", &path, "application/merge-patch+json", patch)
    }

    pub(crate) fn json_patch(
        &self,
        kind: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Refusal> {
        let path = self.path(kind, &format!("/{name}"));
        self.cluster.ask("PATCH", &path, "application/json-patch+json", patch)
    }

    pub(crate) fn delete(&self, kind: &str, name: &str) -> Result<Value, Refusal> {
        self.cluster.ask("DELETE", &self.path(kind, &format!("/{name}")), JSON, &Value::Null)
    }

    /// The object goes after all that it owns.
    pub(crate) fn delete_in_foreground(&self, kind: &str, name: &str) -> Result<Value, Refusal> {
        let options = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground" });
        self.cluster.ask("DELETE", &self.path(kind, &format!("/{name}")), JSON, &options)
    }

    /// What a pod's only container wrote, from now on if it is followed to its end.
    pub(crate) fn log(&self, pod: &str, query: &str) -> anyhow::Result<String> {
        let path = self.path("pod", &format!("/{pod}/log{query}"));
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(self.cluster.tasks.block_on(self.cluster.client.request_text(request))?)
    }

    /// The object once it is so.
    pub(crate) fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        wait::until_every(EVERY, what, READY, || {
            let object = self.get(kind, name).map_err(|error| error.to_string())?;
            let status = &object["status"];
            if is_so(&object) { Ok(object) } else { Err(format!("{kind} {name}: {status}")) }
        })
    }

    /// The object once nothing has it any more.
    pub(crate) fn until_gone(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        wait::until_every(EVERY, &format!("the end of {kind} {name}"), READY, || {
            match self.get(kind, name) {
                Err(error) if error.code == 404 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
    }

    /// The object once it is Ready as it was last written.
    pub(crate) fn ready(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        self.until(kind, name, "Ready", |object| {
            observed(object) && condition(object, "Ready")["status"] == "True"
        })
    }

    /// A Service, once it is Ready.
    pub(crate) fn deploy(&self, service: &Value) -> anyhow::Result<Value> {
        let made = self.create("ksvc", service)?;
        self.ready("ksvc", made["metadata"]["name"].as_str().unwrap_or_default())
    }

    /// The Service once this generation of it is Ready.
    pub(crate) fn changed(&self, name: &str, patch: &Value) -> anyhow::Result<Value> {
        self.merge("ksvc", name, patch)?;
        self.ready("ksvc", name)
    }

    pub(crate) fn gateway(&self, host: &str) -> anyhow::Result<SocketAddr> {
        self.cluster.gateway.map_or_else(|| address(host), Ok)
    }

    /// Pods of a Service that are not being deleted.
    pub(crate) fn pods(&self, service: &str) -> anyhow::Result<Vec<Value>> {
        let mut pods = self.list("pod", &format!("serving.knative.dev/service={service}"))?;
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok(pods)
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        let path = format!("/api/v1/namespaces/{}", self.name);
        let _left_to_its_end = self.cluster.ask("DELETE", &path, JSON, &Value::Null);
    }
}

/// A condition of an object, null if it has none of that type.
pub(crate) fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array();
    all.into_iter().flatten().find(|c| c["type"] == kind).cloned().unwrap_or_default()
}

pub(crate) fn observed(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

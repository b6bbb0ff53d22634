//! An API with all hooks, to which objects are written as dry runs.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;
use rouse_api::config::ApiConfig;
use rouse_apiserver::registry::{Change, Options, Part, Patch, Target, Validation};
use rouse_apiserver::{Cluster, Config, Storage};
use rouse_controller::admission::{self, LiveConfig, TryPod};
use rouse_kit::Clock;
use rouse_node::runtime::{Capabilities, process};
use serde_json::{Value, json};

use super::super::hook;
use crate::platform::{gateway, plugs};

/// Warnings, or why the write is refused.
type Outcome = Result<Vec<String>, String>;

pub(super) struct Tried {
    cluster: Cluster,
    config: Arc<Mutex<Arc<ApiConfig>>>,
    runtime: Arc<Mutex<(&'static str, Capabilities)>>,
    /// The last pod that was made of a template.
    pod: Arc<Mutex<Option<Pod>>>,
}

impl Tried {
    /// With the `process` runtime.
    pub(super) fn new() -> Self {
        let initial = gateway::initial().unwrap();
        let config =
            Config { storage: Storage::Memory, initial, clock: Clock::system(), ca: String::new() };
        let tried = Self {
            cluster: Cluster::open(config).unwrap(),
            config: Arc::default(),
            runtime: Arc::new(Mutex::new(("process", process::CAPABILITIES))),
            pod: Arc::default(),
        };
        let (config, runtime) = (Arc::clone(&tried.config), Arc::clone(&tried.runtime));
        let pod = Arc::clone(&tried.pod);
        let live: LiveConfig = Arc::new(move || Arc::clone(&config.lock()));
        let try_pod: TryPod = Arc::new(move |_, made| {
            *pod.lock() = Some(made.clone());
            Ok(())
        });
        let hooks = admission::hooks(&live, try_pod).into_iter().map(plugs::hook);
        let hooks = hooks.chain([hook(move || Some(*runtime.lock()))]);
        tried.cluster.set_hooks(hooks.collect());
        tried
    }

    pub(super) fn runtime(&self, name: &'static str, can: Capabilities) {
        *self.runtime.lock() = (name, can);
    }

    pub(super) fn config(&self, config: ApiConfig) {
        *self.config.lock() = Arc::new(config);
    }

    pub(super) fn service(&self, object: Value) -> Outcome {
        self.write(("serving.knative.dev", "Service"), ("default", ""), Change::Create(object))
    }

    pub(super) fn setting(&self, name: &str, data: Value) -> Outcome {
        let patch = Patch::Merge(json!({ "data": data }));
        let change = Change::Patch(Part::Main, &patch);
        self.write(("", "ConfigMap"), ("knative-serving", name), change)
    }

    /// The pod of the Service that was tried last, as the runtime sees it: what it does not enforce.
    pub(super) fn unmet(&self) -> Vec<String> {
        let pod = self.pod.lock();
        let spec = pod.as_ref().and_then(|pod| pod.spec.as_ref()).unwrap();
        let (name, can) = *self.runtime.lock();
        can.unmet(name, spec).into_iter().flat_map(|unmet| unmet.fields).collect()
    }

    fn write(
        &self,
        (group, kind): (&str, &str),
        (namespace, name): (&str, &str),
        change: Change<'_>,
    ) -> Outcome {
        let registry = self.cluster.registry();
        let target = Target { resource: &registry.builtin(group, "v1", kind), namespace, name };
        let options =
            Options { dry_run: true, validation: Validation::Strict, ..Options::internal() };
        let written = registry.write(target, change, &options);
        written.map(|written| written.warnings).map_err(|failure| failure.to_string())
    }
}

impl Drop for Tried {
    /// The registry and its hooks hold one another.
    fn drop(&mut self) {
        self.cluster.set_hooks(Vec::new());
    }
}

pub(super) fn service() -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": { "name": "hello" },
        "spec": { "template": { "spec": { "containers": [{ "image": "dev.local/hello" }] } } },
    })
}

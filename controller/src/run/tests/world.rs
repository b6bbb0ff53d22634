//! A cluster in memory: what reconcilers plan is written into the local copies that they read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Resource;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use rouse_api::condition::Condition;
use rouse_api::config::ApiConfig;
use rouse_api::{DomainMapping, PodAutoscaler, Revision, Route, keys};
use rouse_k8s::ObjectKey;
use rouse_kit::plan::Action;
use rouse_kit::{Clock, Component, Live, Plan};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::configuration::Configurations;
use crate::domainmapping::DomainMappings;
use crate::gc::Collections;
use crate::lookups::images::{Asking, Images, NotPinned, Pinned, Pins};
use crate::lookups::served::{Activators, NotServed, Routed, Served, Serving};
use crate::reconciler::{Reconciler, decide};
use crate::revision::Revisions;
use crate::route::Routes;
use crate::run::{Writers, stores};
use crate::service::Services;
use crate::testing::{now, told};
use crate::watched::queue::Queue;
use crate::watched::queue_metrics::QueueFamilies;

/// Passes after which a Service is ready: created; its pods ready; routed; its routing served.
const ROUNDS: usize = 4;

/// Resolves every image and serves every version at once.
struct AtOnce;

impl Images for AtOnce {
    fn pin(&self, image: String, _: Asking) -> BoxFuture<'static, Result<String, NotPinned>> {
        async move { Ok(format!("{image}@sha256:{}", "0".repeat(64))) }.boxed()
    }
}

impl Activators for AtOnce {
    fn served(
        &self,
        _: Routed,
        _: &str,
        _: &str,
        _: i64,
    ) -> BoxFuture<'static, Result<(), NotServed>> {
        async { Ok(()) }.boxed()
    }
}

type Id = (String, String);

pub(super) struct World {
    objects: BTreeMap<Id, Value>,
    writers: Writers,
    services: Services,
    configurations: Configurations,
    collections: Collections,
    revisions: Revisions,
    routes: Routes,
    mappings: DomainMappings,
    clock: Clock,
}

impl World {
    pub(super) fn new(config: ApiConfig) -> Self {
        let component = Component::alone("controller");
        let families = QueueFamilies::registered(&component.metrics);
        let (stores, writers) = stores();
        let s = || stores.clone();
        let config = Live::new(config);
        let c = || config.clone();
        let (revisions, _) = Queue::new(families.of("revision"));
        let (routes, _) = Queue::new(families.of("route"));
        let (mappings, _) = Queue::new(families.of("domainmapping"));
        let pins = Pins::new(Arc::new(AtOnce), None, revisions, &component);
        let served_routes = Served::new(Arc::new(AtOnce), routes, &component);
        let served_mappings = Served::new(Arc::new(AtOnce), mappings, &component);
        Self {
            objects: BTreeMap::new(),
            writers,
            services: Services { stores: s() },
            configurations: Configurations { stores: s() },
            collections: Collections { stores: s(), config: c() },
            revisions: Revisions { stores: s(), pins, config: c(), drain: Duration::from_secs(5) },
            routes: Routes { stores: s(), served: served_routes, config: c() },
            mappings: DomainMappings { stores: s(), served: served_mappings, config: c() },
            clock: Clock::starting_at(now()),
        }
    }

    /// Stores an object; false if its type cannot hold it.
    pub(super) fn put(&mut self, kind: &str, mut object: Value) -> bool {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let uid = format!("{kind}-{name}");
        let metadata = &mut object["metadata"];
        for (field, value) in
            [("uid", json!(uid)), ("resourceVersion", json!("1")), ("generation", json!(1))]
        {
            if metadata[field].is_null() {
                metadata[field] = value;
            }
        }
        let writers = &mut self.writers;
        let stored = match kind {
            "Service" if object["apiVersion"] == "v1" => store(&mut writers.core_services, &object),
            "Service" => store(&mut writers.services, &object),
            "Configuration" => store(&mut writers.configurations, &object),
            "Revision" => store(&mut writers.revisions, &object),
            "Route" => store(&mut writers.routes, &object),
            "DomainMapping" => store(&mut writers.domain_mappings, &object),
            "ClusterDomainClaim" => store(&mut writers.claims, &object),
            "PodAutoscaler" => store(&mut writers.autoscalers, &object),
            "Deployment" => store(&mut writers.deployments, &object),
            "Pod" => store(&mut writers.pods, &object),
            other => panic!("no kind {other}"),
        };
        if stored {
            let version = object["apiVersion"].as_str().unwrap_or_default();
            self.objects.insert((format!("{version} {kind}"), name), object);
        }
        stored
    }

    fn all<K: Resource<DynamicType = ()> + DeserializeOwned>(&self) -> Vec<K> {
        let of = format!("{} {}", K::api_version(&()), K::kind(&()));
        let objects = self.objects.iter().filter(|((kind, _), _)| *kind == of);
        objects.map(|(_, object)| serde_json::from_value(object.clone()).unwrap()).collect()
    }

    pub(super) fn autoscalers(&self) -> Vec<PodAutoscaler> {
        self.all()
    }

    /// All reconcilers over all objects, those above first. Pods become ready.
    pub(super) fn reconcile(&mut self) {
        let clock = self.clock;
        for _ in 0..ROUNDS {
            self.carry_out(planned(&self.services, self.all(), clock));
            self.carry_out(planned(&self.configurations, self.all(), clock));
            self.carry_out(planned(&self.revisions, self.all(), clock));
            self.serve();
            self.carry_out(planned(&self.routes, self.all(), clock));
        }
        self.carry_out(planned(&self.mappings, self.all(), clock));
        self.carry_out(planned(&self.collections, self.all(), clock));
    }

    fn carry_out(&mut self, plans: Planned) {
        for (id, writes, status) in plans {
            if let Some(status) = status
                && let Some(mut object) = self.objects.get(&id).cloned()
            {
                object["status"] = status;
                let kind = id.0.rsplit(' ').next().unwrap_or_default().to_owned();
                assert!(self.put(&kind, object), "a status of {id:?} is not read back");
            }
            for (action, kind, name) in writes {
                self.write(action, &kind, &name);
            }
        }
    }

    fn write(&mut self, action: Action, kind: &str, name: &str) {
        match action {
            Action::Create(object) | Action::Replace(object) => {
                assert!(self.put(kind, object), "a planned {kind} {name} is not read back");
            }
            Action::Patch(patch) => {
                let found = self
                    .objects
                    .iter()
                    .find(|((of, id), _)| of.rsplit(' ').next() == Some(kind) && id == name);
                if let Some((_, object)) = found {
                    let mut object = object.clone();
                    json_patch::merge(&mut object, &patch);
                    assert!(self.put(kind, object), "a patched {kind} {name} is not read back");
                }
            }
            Action::Delete { .. } => {
                self.objects
                    .retain(|(of, id), _| of.rsplit(' ').next() != Some(kind) || id != name);
            }
        }
    }

    /// Writes the statuses that autoscaler and node agents would write.
    fn serve(&mut self) {
        for pa in self.all::<PodAutoscaler>() {
            let mut object = serde_json::to_value(&pa).unwrap();
            object["status"] = json!({ "desiredScale": 1, "actualScale": 1, "conditions": [
                { "type": "Active", "status": "True" },
                { "type": "ScaleTargetInitialized", "status": "True" },
                { "type": "Ready", "status": "True" },
            ] });
            assert!(self.put("PodAutoscaler", object));
        }
        for deployment in self.all::<Deployment>() {
            let name = format!("{}-pod", deployment.metadata.name.unwrap_or_default());
            let template = deployment.spec.unwrap_or_default().template;
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": name, "namespace": deployment.metadata.namespace,
                    "labels": template.metadata.unwrap_or_default().labels,
                },
                "spec": template.spec,
                "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
            });
            assert!(self.put("Pod", pod));
        }
    }

    pub(super) fn is_ready(&self, kind: &str) -> bool {
        let mut objects = self.objects.iter().filter(|((of, _), _)| of.ends_with(kind));
        objects.any(|(_, object)| {
            let conditions = object["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
        })
    }

    /// A condition of the only object of a Knative kind, as text.
    pub(super) fn told(&self, kind: &str, type_: &str) -> String {
        let of = |api: &str| api.starts_with(keys::SERVING_GROUP) && api.ends_with(kind);
        let object = self.objects.iter().find(|((api, _), _)| of(api)).unwrap().1;
        let conditions = object["status"]["conditions"].clone();
        told(&serde_json::from_value::<Vec<Condition>>(conditions).unwrap(), type_)
    }

    /// Whether answers are kept for a Revision, a Route and a DomainMapping.
    pub(super) fn remembered(&self) -> [bool; 3] {
        let [revision] = &self.all::<Revision>()[..] else { panic!("one Revision") };
        let [route] = &self.all::<Route>()[..] else { panic!("one Route") };
        let [mapping] = &self.all::<DomainMapping>()[..] else { panic!("one DomainMapping") };
        [
            self.revisions.pins.known(revision) != Pinned::Unknown,
            self.routes.served.known(route) != Serving::Unknown,
            self.mappings.served.known(mapping) != Serving::Unknown,
        ]
    }

    /// As if those objects were gone.
    pub(super) fn forget(&self) {
        self.revisions.forget(&ObjectKey::new("shop", "hello-00001"));
        self.routes.forget(&ObjectKey::new("shop", "hello"));
        self.mappings.forget(&ObjectKey::new("shop", "hello.example.org"));
    }

    /// Checks that Kubernetes would accept what was planned.
    pub(super) fn check(&self) -> Result<(), String> {
        for deployment in self.all::<Deployment>() {
            let spec = deployment.spec.unwrap_or_default();
            let grace = spec.template.spec.and_then(|pod| pod.termination_grace_period_seconds);
            for (what, value) in [
                ("replicas", spec.replicas.map(i64::from)),
                ("progressDeadlineSeconds", spec.progress_deadline_seconds.map(i64::from)),
                ("terminationGracePeriodSeconds", grace),
            ] {
                if value.is_none_or(|value| value < 0) {
                    return Err(format!("{what} of the Deployment is {value:?}"));
                }
            }
        }
        for route in self.all::<Route>() {
            let routing = route.status.and_then(|status| status.routing);
            for host in routing.iter().flat_map(|routing| &routing.hosts) {
                if host.split.iter().any(|share| share.percent > 100) {
                    return Err(format!("more than all traffic: {:?}", host.split));
                }
            }
        }
        Ok(())
    }
}

fn store<K>(writer: &mut Writer<K>, object: &Value) -> bool
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    match serde_json::from_value::<K>(object.clone()) {
        Ok(object) => {
            writer.apply_watcher_event(&Event::Apply(object));
            true
        }
        Err(_) => false,
    }
}

type Planned = Vec<(Id, Vec<(Action, String, String)>, Option<Value>)>;

fn planned<R: Reconciler>(reconciler: &R, objects: Vec<R::Kind>, clock: Clock) -> Planned {
    let plan = |object: &R::Kind| {
        let Plan { writes, status, .. } = decide(reconciler, object, clock);
        let kind = format!("{} {}", R::Kind::api_version(&()), R::Kind::kind(&()));
        let name = object.meta().name.clone().unwrap_or_default();
        let writes = writes.into_iter().map(|w| (w.action, w.resource.kind, w.name)).collect();
        ((kind, name), writes, status.map(|status| to_value(&status)))
    };
    objects.iter().map(plan).collect()
}

fn to_value(status: &impl Serialize) -> Value {
    serde_json::to_value(status).unwrap()
}

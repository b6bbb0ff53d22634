//! A cluster of controllers over a store in memory, for the tests of what they write together.

use serde_json::{Value, json};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rouse_apiserver::registry::Registry;
use rouse_apiserver::store::{Key, Object, Store};
use rouse_kit::Clock;
use rouse_schema::kinds::Kinds;

use crate::autoscaling::{ContainerUsage, PodMetrics, PodUsage};
use crate::metrics::Reconciles;
use crate::objects::{self, DEPLOYMENTS, NAMESPACES, NODES, Objects, PODS};
use crate::pass::Pass;
use crate::work::{Controller, Group};

/// All controllers in one group.
const ALL: Group = Group {
    name: "all",
    controllers: &[
        Controller::Deployment,
        Controller::ReplicaSet,
        Controller::Scheduler,
        Controller::HorizontalPodAutoscaler,
        Controller::Endpoints,
        Controller::GarbageCollector,
        Controller::Namespace,
    ],
};

/// Every pod uses as much CPU, in thousandths; none is measured at `u64::MAX`.
#[derive(Debug)]
pub(crate) struct SameUsage {
    pub(crate) cpu_millis: AtomicU64,
    clock: Clock,
}

impl PodMetrics for SameUsage {
    fn of(&self, _: &str, _: &str) -> Option<PodUsage> {
        let cpu_millis = self.cpu_millis.load(Ordering::SeqCst);
        (cpu_millis != u64::MAX).then(|| PodUsage {
            at: self.clock.now(),
            window: Duration::from_secs(10),
            containers: vec![ContainerUsage {
                name: "c".to_owned(),
                cpu_millis,
                memory_bytes: 1 << 20,
            }],
        })
    }
}

pub(crate) fn controllers(store: Store) -> Pass {
    measured(store).0
}

fn measured(store: Store) -> (Pass, Arc<SameUsage>) {
    let clock = Clock::starting_at("2025-01-01T00:00:00Z".parse().unwrap());
    let registry = Registry::new(Arc::new(Kinds::new()), store, clock);
    let usage = Arc::new(SameUsage { cpu_millis: AtomicU64::new(u64::MAX), clock });
    let metrics = Arc::clone(&usage);
    let objects = Objects::new(registry);
    let pass = Pass::new(ALL, objects, "the CA".to_owned(), metrics, Reconciles::default());
    (pass, usage)
}

pub(crate) struct Cluster {
    pub(crate) controllers: Pass,
    pub(crate) seen: u64,
    pub(crate) usage: Arc<SameUsage>,
}

pub(crate) fn cluster() -> Cluster {
    let (controllers, usage) = measured(Store::memory());
    let mut cluster = Cluster { controllers, seen: 0, usage };
    cluster.create(NAMESPACES, json!({ "metadata": { "name": "shop" } }));
    cluster.seen = 1;
    cluster.settle();
    cluster
}

impl Cluster {
    pub(crate) fn objects(&self) -> &Objects {
        &self.controllers.objects
    }

    pub(crate) fn create(&self, resource: &str, value: Value) -> Arc<Object> {
        self.objects().create(resource, value).unwrap()
    }

    /// Runs passes until nothing changes any more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100 {
            if !self.pass() {
                return;
            }
        }
        panic!("the controllers never come to rest");
    }

    /// Handles the changes since the last pass; false if there are none.
    pub(crate) fn pass(&mut self) -> bool {
        let (events, version) = self.objects().store.changes_after(self.seen).unwrap();
        self.seen = version;
        events.iter().for_each(|event| self.controllers.changed(event));
        self.controllers.run();
        !events.is_empty()
    }

    pub(crate) fn node(&self, name: &str) {
        self.create(NODES, json!({ "metadata": { "name": name } }));
        let status = json!({
            "conditions": [{ "type": "Ready", "status": "True" }],
            "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" },
        });
        self.objects().set_status(&Key::new(NODES, "", name), &status).unwrap();
    }

    pub(crate) fn deployment(&self, name: &str, replicas: i32, image: &str) -> Key {
        let template = json!({
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "c", "image": image,
                "ports": [{ "containerPort": 8080 }] }] },
        });
        let deployment = json!({
            "metadata": { "name": name, "namespace": "shop" },
            "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": name } },
                "template": template },
        });
        self.create(DEPLOYMENTS, deployment).key.clone()
    }

    /// Scales a Deployment as the scale subresource does.
    pub(crate) fn scale(&self, key: &Key, replicas: i32) {
        self.objects()
            .change(key, |deployment| deployment["spec"]["replicas"] = replicas.into())
            .unwrap();
    }

    pub(crate) fn all(&self, resource: &str) -> Vec<Value> {
        self.objects()
            .store
            .list(resource, Some("shop"))
            .objects
            .iter()
            .map(|o| o.value())
            .collect()
    }

    pub(crate) fn get(&self, key: &Key) -> Value {
        self.objects().store.get(key).map(|object| object.value()).unwrap_or_default()
    }

    /// Acts as the node agent: pods become ready, and deleted pods are removed.
    pub(crate) fn run_pods(&mut self) {
        for pod in self.objects().store.list(PODS, Some("shop")).objects {
            if pod.deletion_timestamp.is_some() {
                self.objects()
                    .change(&pod.key, |pod| {
                        pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
                    })
                    .unwrap();
                continue;
            }
            self.objects()
                .change(&pod.key, |pod| {
                    if pod["spec"]["nodeName"].is_string() {
                        pod["status"]["phase"] = "Running".into();
                        pod["status"]["podIP"] = "10.0.0.7".into();
                        pod["status"]["conditions"] = json!([{ "type": "Ready", "status": "True",
                        "lastTransitionTime": "2025-01-01T00:00:00Z" }]);
                    }
                })
                .unwrap();
        }
        self.settle();
    }

    pub(crate) fn reasons(&self, reason: &str) -> Vec<String> {
        let events = self.all(objects::EVENTS);
        let told = events.iter().filter(|event| event["reason"] == reason);
        told.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }
}

//! Extreme numbers, quantities, shares and times in every such field of every kind that is served:
//! each answer is a 2xx or a 4xx, no task panics, and a neighbour still scales.
//!
//! The fields are read from the schemas. A sample of (kind, field, value) is taken by a seed that is
//! printed; `EXTREMES_SEED` repeats one, `EXTREMES_SAMPLE` sets the size.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use rouse_apiserver::identity::UserInfo;
use rouse_apiserver::{Cluster, Config, Storage};
use rouse_kit::{Clock, Component, Process, Shutdown};
use rouse_schema::kinds::Resource;
use rouse_schema::schema::{Node, Type};
use serde_json::{Value, json};
use tower::ServiceExt;

const SAMPLE: usize = 1500;
/// A neighbour is scaled after this many.
const BETWEEN: usize = 100;

/// Where a value goes: names of fields; `0` is the first item of a list, `*` a key of a map.
type Path = Vec<String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Integer,
    Float,
    Quantity,
    Share,
    Time,
    /// Text that controllers read a number from.
    Text,
}

fn values(sort: Sort) -> Vec<Value> {
    let integers = [
        i64::MIN,
        i64::MAX,
        -1,
        0,
        1,
        i64::from(i32::MIN) - 1,
        i64::from(i32::MIN),
        i64::from(i32::MAX),
        i64::from(i32::MAX) + 1,
        i64::from(u32::MAX),
        i64::from(u32::MAX) + 1,
        65_535,
        65_536,
    ];
    let numbers = integers.iter().map(|n| json!(n));
    match sort {
        Sort::Integer => numbers.chain([json!(u64::MAX), json!(1e300), json!(0.5)]).collect(),
        Sort::Float => [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0, 1e18]
            .iter()
            .map(|n| json!(n))
            .chain(numbers)
            .collect(),
        Sort::Quantity => {
            let texts = [
                "1e99",
                "1e-99",
                "-1",
                "0",
                "1n",
                "-1n",
                "9223372036854775807",
                "9223372036854775808",
                "99999999999999999999999999999999999999999",
                "16Ei",
                "9999999999Ei",
                "0.000000000000001",
                "9e18",
                "1E",
                "-16Ei",
            ];
            texts.iter().map(|t| json!(t)).chain([json!(i64::MAX), json!(1e300)]).collect()
        }
        Sort::Share => {
            let texts =
                ["2147483647%", "99999999999%", "-5%", "0%", "101%", "9223372036854775807%", "x"];
            texts.iter().map(|t| json!(t)).chain(numbers).collect()
        }
        Sort::Time => [
            "0001-01-01T00:00:00Z",
            "1677-09-21T00:12:43Z",
            "1970-01-01T00:00:00Z",
            "2262-04-11T23:47:17Z",
            "9999-12-30T21:59:59Z",
            "9999-12-31T23:59:59Z",
            "-009999-01-02T01:59:59Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01T00:00:00.000000001+23:59",
        ]
        .iter()
        .map(|t| json!(t))
        .collect(),
        Sort::Text => integers
            .iter()
            .map(|n| json!(n.to_string()))
            .chain([json!("99999999999999999999"), json!("1e99"), json!("-")])
            .collect(),
    }
}

/// Every field of a schema that holds a number of some sort.
fn fields(node: &Node, path: &mut Path, seen: &mut Vec<String>, found: &mut Vec<(Path, Sort)>) {
    let entered = node.reference.clone();
    if let Some(name) = &entered {
        if seen.contains(name) {
            return;
        }
        seen.push(name.clone());
    }
    let target = node.resolve();
    let sort = match target.kind {
        Type::Integer => Some(Sort::Integer),
        Type::Number => Some(Sort::Float),
        Type::Quantity => Some(Sort::Quantity),
        Type::IntOrString => Some(Sort::Share),
        Type::String if target.format.as_deref() == Some("date-time") => Some(Sort::Time),
        Type::String | Type::Any | Type::Object | Type::Array | Type::Boolean => None,
    };
    found.extend(sort.map(|sort| (path.clone(), sort)));
    let mut inside = |name: &str, node: &Node| {
        path.push(name.to_owned());
        fields(node, path, seen, found);
        path.pop();
    };
    target.properties.iter().for_each(|(name, node)| inside(name, node));
    target.items.iter().for_each(|node| inside("0", node));
    target.additional.iter().for_each(|node| inside("*", node));
    if entered.is_some() {
        seen.pop();
    }
}

fn set(object: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return;
    };
    if first == "0" {
        if object.as_array().is_none_or(Vec::is_empty) {
            *object = json!([null]);
        }
        set(&mut object[0], rest, value);
    } else {
        if !object.is_object() {
            *object = json!({});
        }
        set(&mut object[if first == "*" { "cpu" } else { first.as_str() }], rest, value);
    }
}

fn pod_spec() -> Value {
    json!({
        "containers": [{ "name": "c", "image": "i", "ports": [{ "containerPort": 80 }],
            "env": [{ "name": "A", "value": "b" }],
            "resources": { "requests": { "cpu": "1m" }, "limits": { "cpu": "1" } },
            "livenessProbe": { "httpGet": { "port": 80 } },
            "readinessProbe": { "tcpSocket": { "port": 80 } },
            "startupProbe": { "exec": { "command": ["x"] } } }],
        "initContainers": [{ "name": "i", "image": "i", "resources": { "requests": { "cpu": "1m" } } }],
        "tolerations": [{ "key": "k", "operator": "Exists", "effect": "NoExecute" }],
        "securityContext": {},
    })
}

/// An object of the kind that is accepted, as far as the kind needs more than a name.
fn base(resource: &Resource, name: &str) -> Value {
    let template = json!({ "metadata": { "labels": { "app": name } }, "spec": pod_spec() });
    let selector = json!({ "matchLabels": { "app": name } });
    let more = match resource.kind.as_str() {
        "Pod" => json!({ "spec": pod_spec() }),
        "Deployment" => {
            json!({ "spec": { "replicas": 1, "selector": selector, "template": template,
            "strategy": { "rollingUpdate": {} } } })
        }
        "ReplicaSet" => {
            json!({ "spec": { "replicas": 1, "selector": selector, "template": template } })
        }
        "Service" if resource.group.is_empty() => json!({ "spec": { "ports": [{ "port": 80 }],
            "selector": { "app": "neighbour" } } }),
        "Service" | "Configuration" => json!({ "spec": { "template": { "spec": pod_spec() } } }),
        "Revision" => json!({ "spec": pod_spec() }),
        "Endpoints" => {
            json!({ "subsets": [{ "addresses": [{ "ip": "10.0.0.1" }], "ports": [{ "port": 80 }] }] })
        }
        "EndpointSlice" => json!({ "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.1"] }], "ports": [{ "port": 80 }] }),
        "Event" if resource.group.is_empty() => {
            json!({ "involvedObject": { "namespace": "default" } })
        }
        "Event" => {
            json!({ "eventTime": "2025-01-01T00:00:00.000000Z", "action": "a", "reason": "r",
            "reportingController": "x.io/y", "reportingInstance": "z", "type": "Normal",
            "regarding": { "namespace": "default" } })
        }
        "CustomResourceDefinition" => {
            let kind = name.replace('-', "");
            json!({ "metadata": { "name": format!("{kind}s.ex.io") }, "spec": { "group": "ex.io",
                "scope": "Namespaced", "names": { "plural": format!("{kind}s"), "kind": kind },
                "versions": [{ "name": "v1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": { "type": "object" } } }] } })
        }
        _ => json!({}),
    };
    let mut object = json!({ "apiVersion": resource.api_version(), "kind": resource.kind,
        "metadata": { "name": name } });
    for (field, value) in more.as_object().unwrap() {
        object[field] = value.clone();
    }
    object
}

struct World {
    cluster: Cluster,
    process: Process,
    component: Component,
    answers: std::collections::BTreeMap<u16, usize>,
}

impl World {
    async fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let content =
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header("content-type", content);
        let request = request.body(Full::new(Bytes::from(body.clone()))).unwrap();
        let service = self.cluster.service_as(UserInfo::administrator());
        let (parts, answer) = service.oneshot(request).await.unwrap().into_parts();
        let answer = answer.collect().await.unwrap().to_bytes();
        let (code, answer) = (parts.status.as_u16(), serde_json::from_slice(&answer).unwrap());
        assert!(matches!(code, 200..=299 | 400..=499), "{method} {path} {body}: {code} {answer}");
        *self.answers.entry(code).or_default() += 1;
        (code, answer)
    }

    /// Lets the controllers look at what was written; the clock stands still meanwhile.
    async fn settle(&self) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let panicked: Vec<_> =
            self.process.ledger.report().into_iter().filter(|task| task.panics > 0).collect();
        assert!(panicked.is_empty(), "{panicked:?}");
    }

    /// Removes what the extremes have left, and shows that a neighbour is still served.
    async fn neighbour_scales(&mut self) {
        let scale = format!("{DEPLOYMENTS}/neighbour/scale");
        for replicas in [1, 2] {
            let (code, answer) =
                self.ask("PATCH", &scale, &json!({ "spec": { "replicas": replicas } })).await;
            assert_eq!(code, 200, "{answer}");
            let mut there = 0;
            for _ in 0..200 {
                self.settle().await;
                let (_, pods) = self.ask("GET", NEIGHBOURS, &Value::Null).await;
                there = pods["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|pod| {
                        pod["metadata"]["deletionTimestamp"].is_null()
                            && pod["spec"]["nodeName"] == "laptop"
                    })
                    .count();
                if there == replicas {
                    break;
                }
            }
            assert_eq!(there, replicas);
        }
        let path = format!("{PODS}?labelSelector=app!%3Dneighbour&gracePeriodSeconds=0");
        self.ask("DELETE", &path, &Value::Null).await;
        // A minute passes, so that what waits for time is looked at.
        tokio::time::advance(std::time::Duration::from_secs(61)).await;
        self.settle().await;
        let metrics = self.component.metrics.encode();
        let panics =
            metrics.lines().find(|l| l.starts_with("controller_runtime_reconcile_panics_total{"));
        assert_eq!(panics, None);
    }
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const NEIGHBOURS: &str = "/api/v1/namespaces/default/pods?labelSelector=app%3Dneighbour";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// The CRDs that this project brings.
fn definitions() -> Vec<Value> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    let mut found = Vec::new();
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                for document in serde_yaml::Deserializer::from_str(&text) {
                    let value = <Value as serde::Deserialize>::deserialize(document).unwrap();
                    if value["kind"] == "CustomResourceDefinition" {
                        found.push(value);
                    }
                }
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Steele and Vigna's splitmix64.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) >> 33).unwrap()
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn extremes_in_every_number_stop_nobody() {
    let now = jiff::Timestamp::now();
    let config = Config {
        storage: Storage::Memory,
        initial: definitions(),
        clock: Clock::starting_at("2025-01-01T00:00:00Z".parse().unwrap()),
        ca: String::new(),
    };
    let cluster = Cluster::open(config).unwrap();
    let process = Process::new(Clock::system());
    let component = process.component("controllers", Shutdown::new());
    rouse_controllers::start(&rouse_controllers::Config::of(&cluster), &component);
    let mut world =
        World { cluster, process, component, answers: std::collections::BTreeMap::new() };
    let node = json!({ "metadata": { "name": "laptop" } });
    world.ask("POST", "/api/v1/nodes", &node).await;
    let status = json!({ "status": { "allocatable": { "cpu": "4", "memory": "8Gi" },
        "conditions": [{ "type": "Ready", "status": "True" }] } });
    world.ask("PATCH", "/api/v1/nodes/laptop/status", &status).await;
    let kinds = world.cluster.registry().kinds.all();
    let deployment = kinds.iter().find(|r| r.kind == "Deployment").unwrap();
    let (code, answer) = world.ask("POST", DEPLOYMENTS, &base(deployment, "neighbour")).await;
    assert_eq!(code, 201, "{answer}");

    let mut all: Vec<(std::sync::Arc<Resource>, Path, Sort, Value)> = Vec::new();
    for resource in kinds.iter().filter(|r| r.verbs.iter().any(|verb| verb == "update")) {
        let mut found = Vec::new();
        fields(resource.schema.root(), &mut Path::new(), &mut Vec::new(), &mut found);
        if resource.custom {
            // Metadata is not in a CRD's schema.
            found.extend(
                ["creationTimestamp", "deletionTimestamp"]
                    .map(|f| (vec!["metadata".to_owned(), f.to_owned()], Sort::Time)),
            );
        }
        for key in [
            "deployment.kubernetes.io/revision",
            "controller.kubernetes.io/pod-deletion-cost",
            "deployment.kubernetes.io/desired-replicas",
            "autoscaling.knative.dev/min-scale",
        ] {
            let path = ["metadata", "annotations", key].map(str::to_owned);
            found.push((path.to_vec(), Sort::Text));
        }
        for (path, sort) in found {
            all.extend(values(sort).into_iter().map(|v| (resource.clone(), path.clone(), sort, v)));
        }
    }
    let seed = from_env("EXTREMES_SEED").unwrap_or_else(|| now.as_second().unsigned_abs());
    let size = from_env("EXTREMES_SAMPLE").map_or(SAMPLE, |n| usize::try_from(n).unwrap());
    let mut state = seed;
    let mut tried = BTreeSet::new();
    // What the controllers count with is tried whole.
    let counted = |path: &Path| {
        let fields = [
            "replicas",
            "maxSurge",
            "maxUnavailable",
            "progressDeadlineSeconds",
            "minReadySeconds",
            "revisionHistoryLimit",
            "terminationGracePeriodSeconds",
        ];
        path.last().is_some_and(|last| fields.contains(&last.as_str()))
            || path.iter().any(|step| step == "annotations")
    };
    let workload = |r: &Resource| matches!(r.kind.as_str(), "Pod" | "Deployment" | "ReplicaSet");
    let first: Vec<usize> =
        (0..all.len()).filter(|at| workload(&all[*at].0) && counted(&all[*at].1)).collect();
    let sample = (0..size).map(|_| random(&mut state) % all.len()).collect::<Vec<_>>();
    for (round, at) in first.into_iter().chain(sample).enumerate() {
        if !tried.insert(at) {
            continue;
        }
        let (resource, path, _, value) = &all[at];
        let name = format!("x{round}");
        let plain = base(resource, &name);
        let mut extreme = plain.clone();
        set(&mut extreme, path, value.clone());
        let place = if resource.namespaced { "/namespaces/default" } else { "" };
        let root = if resource.group.is_empty() { "/api" } else { "/apis" };
        let all_of = format!("{root}/{}{place}/{}", resource.api_version(), resource.plural);
        let name = plain["metadata"]["name"].as_str().unwrap().to_owned();
        let one = format!("{all_of}/{name}");
        world.ask("POST", &all_of, &extreme).await;
        world.settle().await;
        // Refused, or with the extreme in it: now the plain one, by update, and the extreme by patch.
        world.ask("POST", &all_of, &plain).await;
        let mut patch = Value::Null;
        set(&mut patch, path, value.clone());
        let status = path.first().is_some_and(|first| first == "status") && resource.status;
        let part = if status { format!("{one}/status") } else { one.clone() };
        world.ask("PATCH", &part, &patch).await;
        world.settle().await;
        let (_, mut current) = world.ask("GET", &one, &Value::Null).await;
        if current["kind"] == resource.kind.as_str() {
            set(&mut current, path, value.clone());
            world.ask("PUT", &part, &current).await;
            world.settle().await;
        }
        if workload(resource) {
            let scale = json!({ "spec": { "replicas": 0 } });
            if resource.scale.is_some() {
                world.ask("PATCH", &format!("{one}/scale"), &scale).await;
                world.settle().await;
            }
        }
        world.ask("DELETE", &format!("{one}?gracePeriodSeconds=0"), &Value::Null).await;
        world.settle().await;
        if round % BETWEEN == BETWEEN - 1 {
            world.neighbour_scales().await;
        }
    }
    world.neighbour_scales().await;
    let fields: BTreeSet<String> =
        tried.iter().map(|at| format!("{} {}", all[*at].0.kind, all[*at].1.join("."))).collect();
    println!(
        "extremes: seed {seed}: {} of {} (kind, field, value), {} fields; answers {:?}",
        tried.len(),
        all.len(),
        fields.len(),
        world.answers
    );
    world.component.shutdown.cancel();
    world.component.tasks.finish().await;
}

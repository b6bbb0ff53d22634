//! Endpoints and EndpointSlices: the pods behind a Service that selects some.
//!
//! Upstream: `pkg/controller/{endpoint,endpointslice}`. Here a slice is not split by its number of
//! endpoints, only by their ports.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rouse_apiserver::registry::Propagation;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::keys::{ENDPOINT_SLICE_MANAGED_BY, HEADLESS_SERVICE, SERVICE_NAME};
use rouse_k8s::pod::{has_ended, is_ready};
use serde_json::{Value, json};

use super::objects::{ENDPOINT_SLICES, ENDPOINTS, Objects, PODS, SERVICES};

const MANAGER: &str = "endpointslice-controller.k8s.io";
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS_MANAGER: &str = "endpoint-controller";

/// A pod that has an address.
struct Backend<'a> {
    pod: &'a Pod,
    ip: &'a str,
    ready: bool,
    terminating: bool,
}

/// The `subsets` of Endpoints and the `endpoints` and `ports` of slices.
#[derive(Debug, PartialEq)]
pub(super) struct Desired {
    pub(super) subsets: Value,
    /// One for each set of port numbers: named ports may differ between pods.
    pub(super) slices: Vec<(Value, Value)>,
}

/// The endpoints of a Service. Pure. `None` if it selects nothing.
pub(super) fn desired(service: &Service, pods: &[Pod]) -> Option<Desired> {
    let spec = service.spec.as_ref()?;
    let selector = spec.selector.as_ref().filter(|selector| !selector.is_empty())?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    let not_ready_too = spec.publish_not_ready_addresses == Some(true);
    let ports = spec.ports.as_deref().unwrap_or_default();
    let mut groups: BTreeMap<String, (Value, Vec<Backend<'_>>)> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| selects(selector, pod)) {
        let Some(backend) = backend(pod, not_ready_too) else { continue };
        let found = resolve(ports, pod);
        groups.entry(found.to_string()).or_insert_with(|| (found, Vec::new())).1.push(backend);
    }
    let subsets: Vec<Value> = groups.values().filter_map(|(p, b)| subset(p, b)).collect();
    let mut slices: Vec<(Value, Value)> = groups
        .values()
        .map(|(ports, backends)| (ports.clone(), backends.iter().map(endpoint).collect()))
        .collect();
    if slices.is_empty() {
        slices.push((json!([]), json!([])));
    }
    Some(Desired { subsets: subsets.into(), slices })
}

fn selects(selector: &BTreeMap<String, String>, pod: &Pod) -> bool {
    let labels = pod.metadata.labels.as_ref();
    selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

fn backend(pod: &Pod, not_ready_too: bool) -> Option<Backend<'_>> {
    let ip = pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())?;
    if has_ended(pod) {
        return None;
    }
    let ready = is_ready(pod) || not_ready_too;
    Some(Backend { pod, ip, ready, terminating: pod.metadata.deletion_timestamp.is_some() })
}

/// The target ports of a Service on this pod; a named port that the pod lacks is left out.
fn resolve(ports: &[ServicePort], pod: &Pod) -> Value {
    let found = ports.iter().filter_map(|port| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let number = match &port.target_port {
            Some(IntOrString::Int(number)) => *number,
            Some(IntOrString::String(name)) => container_port(pod, name, protocol)?,
            None => port.port,
        };
        let mut entry = json!({ "port": number, "protocol": protocol });
        if let Some(name) = &port.name {
            entry["name"] = name.clone().into();
        }
        if let Some(app) = &port.app_protocol {
            entry["appProtocol"] = app.clone().into();
        }
        Some(entry)
    });
    found.collect()
}

fn container_port(pod: &Pod, name: &str, protocol: &str) -> Option<i32> {
    let containers = pod.spec.as_ref()?.containers.iter();
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    let mut named = ports.filter(|port| {
        port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == protocol
    });
    named.next().map(|port| port.container_port)
}

fn target(pod: &Pod) -> Value {
    json!({
        "kind": "Pod", "name": pod.metadata.name, "namespace": pod.metadata.namespace,
        "uid": pod.metadata.uid,
    })
}

fn node(pod: &Pod) -> Option<&String> {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref())
}

fn subset(ports: &Value, backends: &[Backend<'_>]) -> Option<Value> {
    let addresses = |ready: bool| -> Vec<Value> {
        let here = backends.iter().filter(|backend| !backend.terminating && backend.ready == ready);
        here.map(|backend| {
            let mut address = json!({ "ip": backend.ip, "targetRef": target(backend.pod) });
            if let Some(node) = node(backend.pod) {
                address["nodeName"] = node.clone().into();
            }
            address
        })
        .collect()
    };
    let (ready, not_ready) = (addresses(true), addresses(false));
    if ready.is_empty() && not_ready.is_empty() {
        return None;
    }
    let mut subset = json!({});
    for (field, list) in [("addresses", ready), ("notReadyAddresses", not_ready)] {
        if !list.is_empty() {
            subset[field] = list.into();
        }
    }
    if ports.as_array().is_some_and(|ports| !ports.is_empty()) {
        subset["ports"] = ports.clone();
    }
    Some(subset)
}

fn endpoint(backend: &Backend<'_>) -> Value {
    let mut endpoint = json!({
        "addresses": [backend.ip],
        "conditions": {
            "ready": backend.ready && !backend.terminating,
            "serving": backend.ready,
            "terminating": backend.terminating,
        },
        "targetRef": target(backend.pod),
    });
    if let Some(node) = node(backend.pod) {
        endpoint["nodeName"] = node.clone().into();
    }
    endpoint
}

/// Brings Endpoints and slices of a Service up to date.
pub(super) fn sync(objects: &Objects, key: &Key) -> Result<(), Failure> {
    let Some(object) = objects.store.get(key) else { return removed(objects, key) };
    let Ok(service) = object.decode::<Service>() else { return Ok(()) };
    if object.deletion_timestamp.is_some() {
        return Ok(());
    }
    let pods: Vec<Pod> = objects.list(PODS, Some(&key.namespace));
    let Some(desired) = desired(&service, &pods) else { return Ok(()) };
    write_endpoints(objects, &object, &service, desired.subsets)?;
    write_slices(objects, &object, &service, desired.slices)
}

fn labels(service: &Service) -> Value {
    let mut labels = json!(service.metadata.labels.clone().unwrap_or_default());
    let headless =
        service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None");
    if headless {
        labels[HEADLESS_SERVICE] = "".into();
    }
    labels
}

fn write_endpoints(
    objects: &Objects,
    object: &Object,
    service: &Service,
    subsets: Value,
) -> Result<(), Failure> {
    let key = Key::new(ENDPOINTS, &object.key.namespace, &object.key.name);
    let mut labels = labels(service);
    labels[ENDPOINTS_MANAGED_BY] = ENDPOINTS_MANAGER.into();
    let empty = subsets.as_array().is_none_or(Vec::is_empty);
    let set = |endpoints: &mut Value| {
        endpoints["metadata"]["labels"] = labels.clone();
        if empty {
            endpoints.as_object_mut().map(|fields| fields.remove("subsets"));
        } else {
            endpoints["subsets"] = subsets.clone();
        }
    };
    if objects.change(&key, set)?.is_none() {
        let mut fresh = json!({ "metadata": { "name": key.name, "namespace": key.namespace } });
        set(&mut fresh);
        objects.create(ENDPOINTS, fresh)?;
    }
    Ok(())
}

fn write_slices(
    objects: &Objects,
    object: &Object,
    service: &Service,
    slices: Vec<(Value, Value)>,
) -> Result<(), Failure> {
    let mut present = objects.controlled_objects(ENDPOINT_SLICES, &object.uid).into_iter();
    let mut labels = labels(service);
    labels[SERVICE_NAME] = object.key.name.clone().into();
    labels[ENDPOINT_SLICE_MANAGED_BY] = MANAGER.into();
    for (ports, endpoints) in slices {
        let set = |slice: &mut Value| {
            slice["metadata"]["labels"] = labels.clone();
            slice["endpoints"] = endpoints.clone();
            slice["ports"] = ports.clone();
        };
        if let Some(slice) = present.next() {
            objects.change(&slice.key, set)?;
            continue;
        }
        let name = &object.key.name;
        let mut fresh = json!({
            "metadata": {
                "generateName": format!("{name}-"),
                "namespace": object.key.namespace,
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": name,
                    "uid": object.uid, "controller": true, "blockOwnerDeletion": true }],
            },
            "addressType": "IPv4",
        });
        set(&mut fresh);
        objects.create(ENDPOINT_SLICES, fresh)?;
    }
    for slice in present {
        objects.delete(&slice.key, Propagation::Background)?;
    }
    Ok(())
}

/// The Services that select a pod.
pub(super) fn of(objects: &Objects, pod: &Object) -> Vec<Key> {
    let services = objects.store.list(SERVICES, Some(&pod.key.namespace)).objects;
    services
        .iter()
        .filter(|service| {
            let value = service.value();
            let Some(selector) = value["spec"]["selector"].as_object() else { return false };
            !selector.is_empty()
                && selector.iter().all(|(k, v)| pod.labels.get(k).map(String::as_str) == v.as_str())
        })
        .map(|service| service.key.clone())
        .collect()
}

/// Deletes the Endpoints of a deleted Service; they have no owner reference.
fn removed(objects: &Objects, service: &Key) -> Result<(), Failure> {
    let key = Key::new(ENDPOINTS, &service.namespace, &service.name);
    let managed = objects.store.get(&key).is_some_and(|object| {
        object.labels.get(ENDPOINTS_MANAGED_BY).is_some_and(|manager| manager == ENDPOINTS_MANAGER)
    });
    if managed { objects.delete(&key, Propagation::Background) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(change: &Value) -> Service {
        let mut spec = json!({
            "selector": { "app": "web" },
            "ports": [{ "name": "http", "port": 80, "targetPort": "serve" }],
        });
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        serde_json::from_value(json!({ "metadata": { "name": "shop" }, "spec": spec })).unwrap()
    }

    fn pod(name: &str, app: &str, ip: &str, ready: bool, port: i32) -> Pod {
        let ready = if ready { "True" } else { "False" };
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "d", "uid": name, "labels": { "app": app } },
            "spec": { "nodeName": "n", "containers": [{ "name": "c",
                "ports": [{ "name": "serve", "containerPort": port }] }] },
            "status": { "phase": "Running", "podIP": ip,
                "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[test]
    fn ready_pods_are_addresses_and_others_wait() {
        let pods = [
            pod("a", "web", "10.0.0.1", true, 8080),
            pod("b", "web", "10.0.0.2", false, 8080),
            pod("c", "other", "10.0.0.3", true, 8080),
            pod("d", "web", "", true, 8080),
        ];
        let found = desired(&service(&json!({})), &pods).unwrap();
        let subset = &found.subsets[0];
        assert_eq!(subset["addresses"][0]["ip"], "10.0.0.1");
        assert_eq!(subset["notReadyAddresses"][0]["ip"], "10.0.0.2");
        assert_eq!(subset["ports"], json!([{ "name": "http", "port": 8080, "protocol": "TCP" }]));
        assert_eq!(found.slices.len(), 1);
        let ready: Vec<bool> = found.slices[0]
            .1
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["conditions"]["ready"].as_bool().unwrap())
            .collect();
        assert_eq!(ready, [true, false]);
    }

    #[test]
    fn a_named_port_may_differ_between_pods() {
        let pods =
            [pod("a", "web", "10.0.0.1", true, 8080), pod("b", "web", "10.0.0.2", true, 9090)];
        let found = desired(&service(&json!({})), &pods).unwrap();
        assert_eq!(found.slices.len(), 2);
        assert_eq!(found.subsets.as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_service_that_selects_nothing_has_no_endpoints_of_ours() {
        assert_eq!(desired(&service(&json!({ "selector": {} })), &[]), None);
        assert_eq!(desired(&service(&json!({ "type": "ExternalName" })), &[]), None);
        let none = desired(&service(&json!({})), &[]).unwrap();
        assert_eq!(none.subsets, json!([]));
        assert_eq!(none.slices, [(json!([]), json!([]))]);
    }

    #[test]
    fn pods_that_are_not_ready_are_published_where_asked_for() {
        let pods = [pod("a", "web", "10.0.0.1", false, 8080)];
        let asked = service(&json!({ "publishNotReadyAddresses": true }));
        let found = desired(&asked, &pods).unwrap();
        assert_eq!(found.subsets[0]["addresses"][0]["ip"], "10.0.0.1");
    }
}

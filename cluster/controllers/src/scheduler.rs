//! The scheduler: binds pods to nodes that have room for them.
//!
//! A pod that fits no node gets a condition and an Event in kube-scheduler's words, and is retried
//! when a node changes or a pod ends or is deleted. Of several nodes the one with the largest free
//! part of its CPU is taken.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, Pod, PodSpec, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::{Key, Object};
use rouse_k8s::condition;
use rouse_k8s::pod::is_active;
use rouse_k8s::time::rfc3339;
use serde_json::{Value, json};

use super::objects::Objects;
use super::recorder::{self, Notice};

const COMPONENT: &str = "default-scheduler";

/// Amounts by resource name, in thousandths. `pods` is one of them.
type Amounts = BTreeMap<String, i128>;

/// Larger amounts are clamped to this one. Sums of fewer than 2^32 of them do not overflow, so that
/// the requests of a pod can be subtracted exactly.
const MOST: i128 = i128::MAX >> 32;

/// A node, and the requests of the pods on it.
pub(super) struct NodeInfo {
    pub(super) node: Node,
    pub(super) used: Amounts,
    /// Host ports that are taken, with protocol.
    pub(super) ports: Vec<(String, i32)>,
}

/// The result of choosing a node for a pod.
#[derive(Debug, PartialEq)]
pub(super) enum Placement {
    Node(String),
    /// No node fits, with the reason.
    Unschedulable(String),
}

/// Chooses a node for a pod. Pure.
pub(super) fn place<'a>(pod: &Pod, nodes: impl IntoIterator<Item = &'a NodeInfo>) -> Placement {
    let Some(spec) = &pod.spec else {
        return Placement::Unschedulable("the pod is empty".to_owned());
    };
    let mut count = 0_usize;
    let wanted = requests(spec);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(f64, &str)> = None;
    for info in nodes {
        count += 1;
        let problems = problems(spec, &wanted, info);
        if problems.is_empty() {
            let name = info.node.metadata.name.as_deref().unwrap_or_default();
            let free = free_cpu(info, &wanted);
            if best.is_none_or(|(most, _)| free > most) {
                best = Some((free, name));
            }
        }
        for problem in problems {
            *reasons.entry(problem).or_default() += 1;
        }
    }
    if let Some((_, node)) = best {
        return Placement::Node(node.to_owned());
    }
    let mut reasons: Vec<String> =
        reasons.iter().map(|(reason, nodes)| format!("{nodes} {reason}")).collect();
    reasons.sort();
    if count == 0 {
        return Placement::Unschedulable("no nodes available to schedule pods".to_owned());
    }
    Placement::Unschedulable(format!("0/{count} nodes are available: {}.", reasons.join(", ")))
}

/// Why a pod cannot go to a node; empty if it can.
fn problems(spec: &PodSpec, wanted: &Amounts, info: &NodeInfo) -> Vec<String> {
    let node = &info.node;
    let node_spec = node.spec.as_ref();
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let taints = node_spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    if node_spec.and_then(|spec| spec.unschedulable) == Some(true) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    if !is_ready(node) {
        let taint = "node(s) had untolerated taint {node.kubernetes.io/not-ready: }";
        return vec![taint.to_owned()];
    }
    if let Some(taint) = taints.iter().find(|taint| repels(taint, tolerations)) {
        let value = taint.value.as_deref().unwrap_or_default();
        return vec![format!("node(s) had untolerated taint {{{}: {value}}}", taint.key)];
    }
    let labels = node.metadata.labels.as_ref();
    let selected = spec
        .node_selector
        .iter()
        .flatten()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value));
    if !selected || !matches_affinity(spec, node) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    if ports(spec).iter().any(|port| info.ports.contains(port)) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    lacking(wanted, info)
}

/// Whether a node matches the pod's required node affinity. Preferences do not count: there is
/// mostly one node.
fn matches_affinity(spec: &PodSpec, node: &Node) -> bool {
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required =
        affinity.and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref());
    let Some(required) = required else { return true };
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let name = node.metadata.name.clone().unwrap_or_default();
    let fields = BTreeMap::from([("metadata.name".to_owned(), name)]);
    required.node_selector_terms.iter().any(|term| {
        let of_labels = term.match_expressions.as_deref().unwrap_or_default();
        let of_fields = term.match_fields.as_deref().unwrap_or_default();
        (!of_labels.is_empty() || !of_fields.is_empty())
            && of_labels.iter().all(|rule| fits(rule, &labels))
            && of_fields.iter().all(|rule| fits(rule, &fields))
    })
}

fn fits(rule: &NodeSelectorRequirement, values: &BTreeMap<String, String>) -> bool {
    let value = values.get(&rule.key);
    let listed = value.is_some_and(|value| rule.values.iter().flatten().any(|v| v == value));
    let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
    let limit = number(rule.values.as_ref().and_then(|values| values.first()));
    let numbers = number(value).zip(limit);
    match rule.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers.is_some_and(|(value, limit)| value > limit),
        "Lt" => numbers.is_some_and(|(value, limit)| value < limit),
        _ => false,
    }
}

fn lacking(wanted: &Amounts, info: &NodeInfo) -> Vec<String> {
    let has = allocatable(&info.node);
    let mut problems = Vec::new();
    for (resource, amount) in wanted {
        let used = info.used.get(resource).copied().unwrap_or(0);
        match has.get(resource) {
            // A node without an allocatable number of pods takes any number.
            None if resource == "pods" => {}
            Some(has) if used.saturating_add(*amount) <= *has => {}
            Some(_) | None if *amount == 0 => {}
            Some(_) if resource == "pods" => problems.push("Too many pods".to_owned()),
            Some(_) | None => problems.push(format!("Insufficient {resource}")),
        }
    }
    problems
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    condition::is_true(conditions.into_iter().flatten(), condition::READY)
}

fn repels(taint: &Taint, tolerations: &[Toleration]) -> bool {
    let strong = taint.effect == "NoSchedule" || taint.effect == "NoExecute";
    strong && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || key.is_empty() && exists)
        && (exists || value == taint.value.as_deref().unwrap_or_default())
}

fn allocatable(node: &Node) -> Amounts {
    let status = node.status.as_ref();
    amounts(status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref())))
}

/// The amounts of a resource list; quantities that cannot be parsed are left out.
fn amounts(quantities: Option<&BTreeMap<String, Quantity>>) -> Amounts {
    let amount = |(name, quantity): (&String, &Quantity)| {
        let amount = rouse_k8s::Quantity::try_from(quantity).ok()?.milli_value();
        Some((name.clone(), amount.clamp(-MOST, MOST)))
    };
    quantities.into_iter().flatten().filter_map(amount).collect()
}

/// The requests of a pod: the sum of its containers, or an init container that asks for more.
pub(super) fn requests(spec: &PodSpec) -> Amounts {
    let of = |container: &k8s_openapi::api::core::v1::Container| -> Amounts {
        amounts(container.resources.as_ref().and_then(|r| r.requests.as_ref()))
    };
    let mut sum = Amounts::from([("pods".to_owned(), 1000)]);
    for container in &spec.containers {
        add(&mut sum, &of(container));
    }
    for container in spec.init_containers.iter().flatten() {
        for (resource, amount) in of(container) {
            let there = sum.entry(resource).or_default();
            *there = amount.max(*there);
        }
    }
    add(&mut sum, &amounts(spec.overhead.as_ref()));
    sum
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        let sum = sum.entry(resource.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}

fn ports(spec: &PodSpec) -> Vec<(String, i32)> {
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
            port.host_port.filter(|port| *port > 0).map(|port| (protocol, port))
        })
        .collect()
}

/// The part of a node's CPU that stays free with the pod on it.
#[expect(clippy::cast_precision_loss, reason = "a comparison of parts")]
fn free_cpu(info: &NodeInfo, wanted: &Amounts) -> f64 {
    let cpu = |amounts: &Amounts| amounts.get("cpu").copied().unwrap_or(0) as f64;
    let has = cpu(&allocatable(&info.node));
    if has <= 0.0 { 0.0 } else { (has - cpu(&info.used) - cpu(wanted)) / has }
}

/// An index of nodes and the pods on them, updated by changes: a pass need not count all pods.
#[derive(Default)]
pub(super) struct Nodes {
    nodes: BTreeMap<String, NodeInfo>,
    /// The pods that have a node, those on unknown nodes included.
    pods: BTreeMap<Key, PodInfo>,
}

struct PodInfo {
    node: String,
    requests: Amounts,
    ports: Vec<(String, i32)>,
}

impl Nodes {
    /// Adds or updates a node.
    pub(super) fn set_node(&mut self, object: &Object) {
        let Ok(node) = object.decode::<Node>() else { return };
        if let Some(info) = self.nodes.get_mut(&object.key.name) {
            info.node = node;
            return;
        }
        let mut info = NodeInfo { node, used: Amounts::new(), ports: Vec::new() };
        for pod in self.pods.values().filter(|pod| pod.node == object.key.name) {
            info.add_pod(pod);
        }
        self.nodes.insert(object.key.name.clone(), info);
    }

    pub(super) fn remove_node(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// Adds or updates a pod; one without a node, or one that has ended, is removed. Returns whether it
    /// took room until now and no longer does.
    pub(super) fn set_pod(&mut self, object: &Object) -> bool {
        let field = |name: &str| object.fields.get(name).map(String::as_str).unwrap_or_default();
        let (node, phase) = (field("spec.nodeName"), field("status.phase"));
        if node.is_empty() || phase == "Succeeded" || phase == "Failed" {
            return self.remove_pod(&object.key);
        }
        if !self.pods.contains_key(&object.key)
            && let Ok(Pod { spec: Some(spec), .. }) = object.decode()
        {
            self.occupy(object.key.clone(), node, &spec);
        }
        false
    }

    /// Forgets a pod. Returns whether it took room.
    pub(super) fn remove_pod(&mut self, key: &Key) -> bool {
        let Some(pod) = self.pods.remove(key) else { return false };
        if let Some(info) = self.nodes.get_mut(&pod.node) {
            info.remove(&pod);
        }
        true
    }

    fn occupy(&mut self, key: Key, node: &str, spec: &PodSpec) {
        let pod = PodInfo { node: node.to_owned(), requests: requests(spec), ports: ports(spec) };
        if let Some(info) = self.nodes.get_mut(node) {
            info.add_pod(&pod);
        }
        self.pods.insert(key, pod);
    }
}

impl NodeInfo {
    fn add_pod(&mut self, pod: &PodInfo) {
        add(&mut self.used, &pod.requests);
        self.ports.extend(pod.ports.iter().cloned());
    }

    fn remove(&mut self, pod: &PodInfo) {
        for (resource, amount) in &pod.requests {
            let used = self.used.entry(resource.clone()).or_default();
            *used = used.saturating_sub(*amount);
        }
        for port in &pod.ports {
            if let Some(place) = self.ports.iter().position(|taken| taken == port) {
                self.ports.swap_remove(place);
            }
        }
    }
}

/// Whether a pod waits for this scheduler.
pub(super) fn is_waiting(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let scheduler = spec.and_then(|spec| spec.scheduler_name.as_deref());
    is_active(pod)
        && spec.is_some_and(|spec| spec.node_name.is_none())
        && scheduler.is_none_or(|name| name == COMPONENT)
}

/// The outcome of scheduling a pod.
pub(super) enum Outcome {
    /// It does not wait for this scheduler.
    Nothing,
    Bound(Notice),
    /// No node fits; the notice says why, if the reason is new.
    Waits(Option<Notice>),
}

/// Binds a pod, or sets the condition that says why not. Updates `nodes`.
pub(super) fn schedule(
    objects: &Objects,
    nodes: &mut Nodes,
    key: &Key,
) -> Result<Outcome, Failure> {
    let Some(object) = objects.store.get(key) else { return Ok(Outcome::Nothing) };
    if object.fields.get("spec.nodeName").is_some_and(|node| !node.is_empty()) {
        return Ok(Outcome::Nothing);
    }
    let Ok(pod) = object.decode::<Pod>() else { return Ok(Outcome::Nothing) };
    let (true, Some(spec)) = (is_waiting(&pod), &pod.spec) else { return Ok(Outcome::Nothing) };
    let about = recorder::about(&object);
    let notice =
        |warning, reason, message| Notice { about, component: COMPONENT, warning, reason, message };
    let now = rfc3339(objects.now());
    match place(&pod, nodes.nodes.values()) {
        Placement::Node(node) => {
            let bound = objects.change(key, |pod| {
                pod["spec"]["nodeName"] = node.clone().into();
                set_condition(
                    pod,
                    json!({ "type": "PodScheduled", "status": "True",
                    "lastProbeTime": null, "lastTransitionTime": now }),
                );
            })?;
            if bound.is_none() {
                return Ok(Outcome::Nothing);
            }
            nodes.occupy(key.clone(), &node, spec);
            let (namespace, name) = (&key.namespace, &key.name);
            let message = format!("Successfully assigned {namespace}/{name} to {node}");
            Ok(Outcome::Bound(notice(false, "Scheduled", message)))
        }
        Placement::Unschedulable(message) => {
            let known =
                pod.status.iter().filter_map(|s| s.conditions.as_ref()).flatten().any(|c| {
                    c.reason.as_deref() == Some("Unschedulable")
                        && c.message.as_ref() == Some(&message)
                });
            if known {
                return Ok(Outcome::Waits(None));
            }
            objects.change(key, |pod| {
                set_condition(
                    pod,
                    json!({ "type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "message": message,
                    "lastProbeTime": null, "lastTransitionTime": now }),
                );
            })?;
            Ok(Outcome::Waits(Some(notice(true, "FailedScheduling", message))))
        }
    }
}

/// Sets a pod's condition; keeps its transition time if the status is the same.
fn set_condition(pod: &mut Value, mut condition: Value) {
    let conditions = &mut pod["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    let place = list.iter().position(|present| present["type"] == condition["type"]);
    match place.and_then(|place| list.get_mut(place)) {
        Some(present) => {
            if present["status"] == condition["status"] {
                condition["lastTransitionTime"] = present["lastTransitionTime"].clone();
            }
            *present = condition;
        }
        None => list.push(condition),
    }
}

#[cfg(test)]
mod tests;

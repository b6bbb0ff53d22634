//! The binding subresource of a Pod: places it on a node, once.
//!
//! Upstream: `BindingREST` in `pkg/registry/core/pod/storage/storage.go`.

use std::sync::LazyLock;

use rouse_schema::kinds::{Kinds, Resource};
use rouse_schema::structure::Invalid;
use serde_json::{Value, json};

use super::actor::Options;
use super::change::{Part, Target, Written};
use super::update::check_uid;
use super::{Registry, decode, meta};
use crate::status::Failure;

/// The kind `Binding`, which is served as a subresource alone.
static BINDING: LazyLock<Resource> = LazyLock::new(Kinds::binding);

impl Registry {
    pub(super) fn bind_pod(
        &self,
        target: Target<'_>,
        mut binding: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, name } = target;
        let mut warnings = Vec::new();
        meta::check_kind(&BINDING, &mut binding)?;
        decode::decode(&BINDING, &mut binding, options, &mut warnings)?;
        let meta = meta::of(&BINDING, &mut binding)?;
        meta::check_namespace(&BINDING, meta, namespace)?;
        if binding["metadata"]["name"] != name {
            return Err(Failure::bad_request("name in URL does not match name in Binding object"));
        }
        let problems = problems(&binding["target"]);
        if !problems.is_empty() {
            return Err(Failure::invalid(&BINDING, name, &problems));
        }
        let written = self.on_newest(target, |current| {
            check_uid(resource, &binding, &current.uid, name)?;
            let old = current.value();
            if let Some(why) = obstacle(&old, name) {
                return Err(Failure::binding_conflict(name, &why));
            }
            let new = bound(&old, &binding, &meta::time(self.clock.now()));
            Ok(self.put(resource, (current, &old), Part::Binding, new, options.dry_run))
        })?;
        Ok(Written { warnings, ..written })
    }
}

fn problems(target: &Value) -> Vec<Invalid> {
    let mut found = Vec::new();
    let kind = &target["kind"];
    if !matches!(kind.as_str(), None | Some("" | "Node")) {
        let known = ["Node", "<empty>"].map(str::to_owned);
        found.push(Invalid::not_supported("target.kind", kind, &known));
    }
    if target["name"].as_str().unwrap_or_default().is_empty() {
        found.push(Invalid::required("target.name", ""));
    }
    found
}

/// Why this Pod cannot be placed.
fn obstacle(pod: &Value, name: &str) -> Option<String> {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return Some(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if !node.is_empty() {
        return Some(format!("pod {name} is already assigned to node {node:?}"));
    }
    let gates = pod["spec"]["schedulingGates"].as_array();
    gates
        .is_some_and(|gates| !gates.is_empty())
        .then(|| format!("pod {name} has non-empty .spec.schedulingGates"))
}

/// The Pod on its node, with the binding's labels and annotations, and scheduled.
fn bound(pod: &Value, binding: &Value, now: &str) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["nodeName"] = binding["target"]["name"].clone();
    for field in ["labels", "annotations"] {
        for (name, value) in binding["metadata"][field].as_object().into_iter().flatten() {
            pod["metadata"][field][name] = value.clone();
        }
    }
    let scheduled = json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": now });
    match &mut pod["status"]["conditions"] {
        Value::Array(conditions) => {
            conditions.retain(|condition| condition["type"] != "PodScheduled");
            conditions.push(scheduled);
        }
        other => *other = json!([scheduled]),
    }
    pod
}

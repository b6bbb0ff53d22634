//! Defaults of a Revision's spec, its own or a template's.
//!
//! Upstream: `pkg/apis/serving/v1/revision_defaults.go`.

use std::collections::BTreeSet;

use rouse_k8s::names::child_name;
use serde_json::{Value, json};

use super::request::Request;
use crate::admission::json::{Look, canonical, object_mut, strings};
use crate::config::Flag;
use crate::config::defaults::NameValues;
use crate::config::features::SECURE_POD_DEFAULTS;

/// `parent` is the metadata of the object that contains the spec.
pub(super) fn spec(spec: &mut Value, parent: &Value, request: Request<'_>) {
    // The same manifest is the same Revision, whichever client wrote it.
    *spec = canonical(spec);
    timeouts(spec, request);
    if !spec.has("containerConcurrency") {
        spec["containerConcurrency"] = json!(request.config.defaults.container_concurrency);
    }
    names(spec, parent, request);

    let containers = spec.list("containers").len();
    let writable: BTreeSet<String> = spec
        .list("volumes")
        .iter()
        .filter(|v| ["emptyDir", "persistentVolumeClaim", "ephemeral"].iter().any(|k| v.has(k)))
        .map(|v| v.text("name").to_owned())
        .collect();
    let pod_security = spec.field("securityContext").cloned().unwrap_or_default();
    for container in elements(spec, "containers") {
        resources(container, request);
        probes(container, containers == 1);
        read_only(container, &writable);
        security(container, &pod_security, request);
    }
    for container in elements(spec, "initContainers") {
        read_only(container, &writable);
        security(container, &pod_security, request);
    }
    let links = request.config.defaults.enable_service_links;
    if let (true, true, Some(links)) =
        (containers > 0 && !spec.has("enableServiceLinks"), gets_links(request.old), links)
    {
        spec["enableServiceLinks"] = json!(links);
    }
}

/// Whether `enableServiceLinks` is written where it is missing: at creation, and in an update of a template that has
/// it, so that the same manifest is the same template whether it is created, applied or replaced. One stored
/// without it stays without it, as upstream, so that an unrelated change does not create a Revision.
fn gets_links(old: Option<&Value>) -> bool {
    old.is_none_or(|old| {
        old.pointer("/spec/template/spec").is_some_and(|spec| spec.has("enableServiceLinks"))
    })
}

/// Volumes that are not `writable` are mounted read-only.
fn read_only(container: &mut Value, writable: &BTreeSet<String>) {
    for mount in elements(container, "volumeMounts") {
        if !writable.contains(mount.text("name")) {
            mount["readOnly"] = json!(true);
        }
    }
}

/// The objects of a list, mutable.
fn elements<'a>(parent: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = parent.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter(|v| v.is_object())
}

fn timeouts(spec: &mut Value, request: Request<'_>) {
    let defaults = &request.config.defaults;
    if !spec.has("timeoutSeconds") || spec.int("timeoutSeconds") == Some(0) {
        spec["timeoutSeconds"] = json!(defaults.revision_timeout_seconds);
    }
    let total = spec.int("timeoutSeconds").unwrap_or_default();
    for (field, cluster) in [
        ("idleTimeoutSeconds", defaults.revision_idle_timeout_seconds),
        ("responseStartTimeoutSeconds", defaults.revision_response_start_timeout_seconds),
    ] {
        // One that is not shorter than the whole timeout would have no effect.
        if !spec.has(field) && cluster != 0 && cluster < total {
            spec[field] = json!(cluster);
        }
    }
}

/// Names containers that have no name, without collisions.
fn names(spec: &mut Value, parent: &Value, request: Request<'_>) {
    let labels = strings(parent, "labels");
    let annotations = strings(parent, "annotations");
    let values = NameValues {
        name: parent.text("name"),
        namespace: parent.text("namespace"),
        generate_name: parent.text("generateName"),
        labels: &labels,
        annotations: &annotations,
    };
    let defaults = &request.config.defaults;
    let taken: BTreeSet<String> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| spec.list(list))
        .map(|container| container.text("name").to_owned())
        .collect();
    for (list, template) in [
        ("containers", &defaults.container_name_template),
        ("initContainers", &defaults.init_container_name_template),
    ] {
        let plain = values.execute(template);
        let several = spec.list(list).len() > 1;
        let mut suffix = 0_u32;
        for container in elements(spec, list).filter(|c| c.text("name").is_empty()) {
            let mut name = plain.clone();
            if several || taken.contains(&plain) {
                name = loop {
                    let next = child_name(&plain, &format!("-{suffix}"));
                    suffix += 1;
                    if !taken.contains(&next) {
                        break next;
                    }
                };
            }
            container["name"] = json!(name);
        }
    }
}

fn resources(container: &mut Value, request: Request<'_>) {
    let defaults = &request.config.defaults;
    let resources = object_mut(container, "resources");
    for (kind, configured) in [("requests", &defaults.requests), ("limits", &defaults.limits)] {
        for (name, quantity) in configured.iter() {
            let amounts = object_mut(resources, kind);
            if !amounts.has(name) {
                amounts[name] = json!(quantity);
            }
        }
    }
}

const HANDLERS: [&str; 4] = ["tcpSocket", "httpGet", "exec", "grpc"];

fn probes(container: &mut Value, is_only_container: bool) {
    if is_only_container || !container.list("ports").is_empty() {
        let probe = object_mut(container, "readinessProbe");
        if !HANDLERS.iter().any(|handler| probe.has(handler)) {
            // Port 0 means the container's port; written out, as Go does.
            probe["tcpSocket"] = json!({ "port": 0 });
        }
    }
    if container.has("readinessProbe") {
        let probe = object_mut(container, "readinessProbe");
        let unset = |probe: &Value, field| probe.int(field).unwrap_or(0) == 0;
        if unset(probe, "successThreshold") {
            probe["successThreshold"] = json!(1);
        }
        // Without a period it is Knative's own eager probe, for which the rest has no meaning.
        if !unset(probe, "periodSeconds") {
            if unset(probe, "failureThreshold") {
                probe["failureThreshold"] = json!(3);
            }
            if unset(probe, "timeoutSeconds") {
                probe["timeoutSeconds"] = json!(1);
            }
        }
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let grpc = container.get_mut(probe).and_then(|p| p.get_mut("grpc"));
        if let Some(grpc) = grpc.filter(|grpc| grpc.is_object() && !grpc.has("service")) {
            grpc["service"] = json!("");
        }
    }
}

/// Secure defaults, where the cluster asks for them.
fn security(container: &mut Value, pod: &Value, request: Request<'_>) {
    let flag = request.config.features.get(SECURE_POD_DEFAULTS);
    match flag {
        Flag::Enabled | Flag::AllowRootBounded => {}
        Flag::Allowed | Flag::Disabled => return,
    }
    let low_port =
        container.list("ports").iter().any(|p| p.int("containerPort").unwrap_or(0) < 1024);
    let context = object_mut(container, "securityContext");
    if !context.has("allowPrivilegeEscalation") {
        context["allowPrivilegeEscalation"] = json!(false);
    }
    let pod_profile = pod.field("seccompProfile").is_some_and(|p| !p.text("type").is_empty());
    if !pod_profile {
        let profile = object_mut(context, "seccompProfile");
        if profile.text("type").is_empty() {
            profile["type"] = json!("RuntimeDefault");
        }
    }
    if !context.has("capabilities") {
        context["capabilities"] = json!({ "drop": ["ALL"] });
        if low_port {
            context["capabilities"]["add"] = json!(["NET_BIND_SERVICE"]);
        }
    }
    if flag == Flag::Enabled && !pod.has("runAsNonRoot") && !context.has("runAsNonRoot") {
        context["runAsNonRoot"] = json!(true);
    }
}

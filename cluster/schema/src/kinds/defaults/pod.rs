//! Defaults of pods and of pod templates.

use serde_json::{Value, json};

use super::fields::{each, set, set_in, set_zero};

/// The defaults of a pod: those of its spec, and those that a pod template does not get.
pub(super) fn pod(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    self::spec(spec);
    set(spec, "enableServiceLinks", json!(true));
    set_zero(spec, "serviceAccountName", json!("default"));
    let account = spec["serviceAccountName"].clone();
    set_zero(spec, "serviceAccount", account);
    for list in ["containers", "initContainers"] {
        each(spec, list).for_each(requests_from_limits);
    }
}

/// A pod's spec, in a pod or in a template.
pub(super) fn spec(spec: &mut Value) {
    set_zero(spec, "dnsPolicy", json!("ClusterFirst"));
    set_zero(spec, "restartPolicy", json!("Always"));
    set(spec, "securityContext", json!({}));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set_zero(spec, "schedulerName", json!("default-scheduler"));
    let host_network = spec["hostNetwork"] == true;
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, list).for_each(|item| container(item, host_network));
    }
    each(spec, "volumes").for_each(volume);
}

fn container(container: &mut Value, host_network: bool) {
    let policy = pull_policy(container["image"].as_str().unwrap_or_default());
    set_zero(container, "imagePullPolicy", json!(policy));
    set_zero(container, "terminationMessagePath", json!("/dev/termination-log"));
    set_zero(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    for port in each(container, "ports") {
        set_zero(port, "protocol", json!("TCP"));
        if host_network {
            let number = port["containerPort"].clone();
            set_zero(port, "hostPort", number);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|p| p.is_object()) {
            self::probe(probe);
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = container.get_mut("lifecycle").and_then(|l| l.get_mut(name)) {
            http_get(handler);
        }
    }
    for variable in each(container, "env") {
        if let Some(field) = variable.get_mut("valueFrom").and_then(|v| v.get_mut("fieldRef")) {
            set_zero(field, "apiVersion", json!("v1"));
        }
    }
}

/// An image without a tag, or with `latest`, is always pulled; one with another tag or digest is not.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        Some((_, tag)) if tag != "latest" => "IfNotPresent",
        Some(_) | None => "Always",
    }
}

fn probe(probe: &mut Value) {
    set_zero(probe, "timeoutSeconds", json!(1));
    set_zero(probe, "periodSeconds", json!(10));
    set_zero(probe, "successThreshold", json!(1));
    set_zero(probe, "failureThreshold", json!(3));
    http_get(probe);
    if let Some(grpc) = probe.get_mut("grpc").filter(|g| g.is_object()) {
        set(grpc, "service", json!(""));
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet").filter(|g| g.is_object()) {
        set_zero(get, "path", json!("/"));
        set_zero(get, "scheme", json!("HTTP"));
    }
}

fn volume(volume: &mut Value) {
    let Some(map) = volume.as_object_mut() else { return };
    if map.iter().all(|(name, source)| name == "name" || source.is_null()) {
        map.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source).filter(|s| s.is_object()) {
            // 0644, which JSON has no other way to write.
            set(source, "defaultMode", json!(420));
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|p| p.is_object()) {
        set(path, "type", json!(""));
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in each(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken").filter(|t| t.is_object()) {
                set(token, "expirationSeconds", json!(3600));
            }
        }
    }
}

fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    for (name, limit) in limits {
        set_in(&mut container["resources"], "requests", &name, limit);
    }
}

/// The quality of service that follows from requests and limits.
pub(super) fn quality(pod: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array());
    let containers: Vec<&Value> = lists.into_iter().flatten().flatten().collect();
    let resources = |kind: &'static str, name: &'static str| {
        containers.iter().map(move |c| &c["resources"][kind][name]).collect::<Vec<_>>()
    };
    let every = ["cpu", "memory"].iter().all(|name| {
        let limits = resources("limits", name);
        limits.iter().all(|l| !l.is_null()) && limits == resources("requests", name)
    });
    let none = ["cpu", "memory"].iter().all(|name| {
        resources("limits", name).into_iter().chain(resources("requests", name)).all(Value::is_null)
    });
    match (none, every) {
        (true, _) => "BestEffort",
        (false, true) => "Guaranteed",
        (false, false) => "Burstable",
    }
}

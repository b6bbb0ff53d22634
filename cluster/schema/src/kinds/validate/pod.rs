//! Pods and pod templates.

use std::collections::BTreeSet;

use rouse_k8s::form;
use serde_json::Value;

use super::problems::{Field, Problems};
use super::{container, metadata};

pub(super) fn check(pod: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let new = pod.at("spec");
    spec(&new, found);
    if let Some(old) = old {
        update(&new, &old.at("spec"), found);
    }
}

/// The template of a workload, whose pods are always restarted.
pub(super) fn template(template: &Field<'_>, found: &mut Problems) {
    metadata::labels(&template.at("metadata").at("labels"), found);
    let inner = template.at("spec");
    spec(&inner, found);
    let policy = inner.at("restartPolicy");
    if matches!(policy.text(), "OnFailure" | "Never") {
        found.one_of(&policy, &["Always"]);
    }
}

fn spec(spec: &Field<'_>, found: &mut Problems) {
    let volumes = volumes(&spec.at("volumes"), found);
    let host_network = spec.at("hostNetwork").value == true;
    let containers = spec.at("containers");
    if containers.len() == 0 {
        found.required(&containers, "");
    }
    let mut seen = BTreeSet::new();
    for container in containers.each() {
        container::check(&container, &volumes, host_network, &mut seen, found);
    }
    for container in spec.at("initContainers").each() {
        container::check(&container, &volumes, host_network, &mut seen, found);
    }
    found.one_of(&spec.at("restartPolicy"), &["Always", "OnFailure", "Never"]);
    found.one_of(
        &spec.at("dnsPolicy"),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    found.not_negative(&spec.at("terminationGracePeriodSeconds"));
    let deadline = spec.at("activeDeadlineSeconds");
    if deadline.number().is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n)) {
        found.invalid(&deadline, "must be between 1 and 2147483647, inclusive");
    }
    metadata::labels(&spec.at("nodeSelector"), found);
    for name in ["serviceAccountName", "nodeName"] {
        let field = spec.at(name);
        if !field.text().is_empty() {
            found.form(&field, form::dns_1123_subdomain(field.text()));
        }
    }
    let hostname = spec.at("hostname");
    if !hostname.text().is_empty() {
        found.form(&hostname, form::dns_1123_label(hostname.text()));
    }
}

/// Checks the volumes, and gives their names.
fn volumes<'a>(volumes: &Field<'a>, found: &mut Problems) -> BTreeSet<&'a str> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for volume in volumes.each() {
        let name = volume.at("name");
        let fields = volume.value.as_object().into_iter().flatten();
        let sources: Vec<&String> =
            fields.filter(|(k, v)| *k != "name" && !v.is_null()).map(|(k, _)| k).collect();
        match sources.as_slice() {
            [] => found.required(&volume, "must specify a volume type"),
            [_] => {}
            [_, more @ ..] => {
                for source in more {
                    found.forbidden(&volume.at(source), "may not specify more than 1 volume type");
                }
            }
        }
        if volume.at("secret").is_set() && volume.at("secret").at("secretName").text().is_empty() {
            found.required(&volume.at("secret").at("secretName"), "");
        }
        if volume.at("configMap").is_set() && volume.at("configMap").at("name").text().is_empty() {
            found.required(&volume.at("configMap").at("name"), "");
        }
        if volume.at("hostPath").is_set() && volume.at("hostPath").at("path").text().is_empty() {
            found.required(&volume.at("hostPath").at("path"), "");
        }
        found.named(&name, form::dns_1123_label);
        if seen.contains(&name.text()) && !name.text().is_empty() {
            found.duplicate(&name);
        }
        seen.insert(name.text());
    }
    seen
}

/// Of an existing pod only the images and a few other fields may change.
fn update(new: &Field<'_>, old: &Field<'_>, found: &mut Problems) {
    if new.value == old.value {
        return;
    }
    let (was, now) = (comparable(old.value, old.value), comparable(new.value, old.value));
    if was != now {
        found.forbidden(
            new,
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
             tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        );
    }
}

/// A spec without its mutable fields.
fn comparable(spec: &Value, old: &Value) -> Value {
    let mut spec = spec.clone();
    let Some(map) = spec.as_object_mut() else { return spec };
    for name in ["activeDeadlineSeconds", "tolerations", "ephemeralContainers", "schedulingGates"] {
        map.remove(name);
    }
    // A pod without a node is given one; one that has a node keeps it.
    if old["nodeName"].as_str().unwrap_or_default().is_empty() {
        map.remove("nodeName");
    }
    for list in ["containers", "initContainers"] {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.remove("image");
            }
        }
    }
    spec
}

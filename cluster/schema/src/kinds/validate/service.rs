//! Services.

use std::collections::BTreeSet;

use rouse_k8s::form;
use serde_json::Value;

use super::problems::{Field, Problems};
use super::{metadata, objects};

pub(super) fn check(service: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let spec = service.at("spec");
    let kind = spec.at("type");
    found.one_of(&kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    let address = spec.at("clusterIP");
    let headless = address.text() == "None";
    if kind.text() == "ExternalName" {
        let name = spec.at("externalName");
        let bare = name.text().trim_end_matches('.');
        if bare.is_empty() {
            found.required(&name, "");
        } else {
            found.form(&name, form::dns_1123_subdomain(bare));
        }
        if !address.text().is_empty() {
            found.forbidden(
                &Field::new(address.value, "spec.clusterIPs"),
                "may not be set for ExternalName services",
            );
        }
    } else {
        if spec.at("ports").len() == 0 && !headless {
            found.required(&spec.at("ports"), "");
        }
        if !address.text().is_empty() && !headless {
            objects::ip(&address, found);
        }
        if headless && matches!(kind.text(), "NodePort" | "LoadBalancer") {
            found.invalid(
                &Field::new(address.value, "spec.clusterIPs[0]"),
                "may not be set to 'None' for LoadBalancer services",
            );
        }
    }
    ports(&spec.at("ports"), found);
    metadata::labels(&spec.at("selector"), found);
    found.one_of(&spec.at("sessionAffinity"), &["ClientIP", "None"]);
    found.one_of(&spec.at("externalTrafficPolicy"), &["Cluster", "Local"]);
    found.one_of(&spec.at("internalTrafficPolicy"), &["Cluster", "Local"]);
    spec.at("externalIPs").each().for_each(|ip| objects::ip(&ip, found));
    if let Some(old) = old {
        cluster_ip(&spec, &old.at("spec"), found);
    }
}

fn ports(ports: &Field<'_>, found: &mut Problems) {
    let mut seen_names: BTreeSet<&str> = BTreeSet::new();
    let mut seen: BTreeSet<(Option<i64>, &str)> = BTreeSet::new();
    for port in ports.each() {
        let (name, number, protocol) = (port.at("name"), port.at("port"), port.at("protocol"));
        if ports.len() > 1 && name.text().is_empty() {
            found.required(&name, "");
        } else if !name.text().is_empty() {
            found.form(&name, form::dns_1123_label(name.text()));
            if seen_names.contains(&name.text()) {
                found.duplicate(&name);
            }
            seen_names.insert(name.text());
        }
        if number.is_set() {
            found.port(&number);
        } else {
            found.invalid(
                &Field::new(&Value::from(0), &number.path),
                "must be between 1 and 65535, inclusive",
            );
        }
        found.one_of(&protocol, &["SCTP", "TCP", "UDP"]);
        if port.at("targetPort").is_set() {
            found.port_or_name(&port.at("targetPort"));
        }
        let key = (number.number(), protocol.text());
        if seen.contains(&key) {
            let mut shown = serde_json::Map::new();
            shown.insert("port".to_owned(), number.value.clone());
            shown.insert("protocol".to_owned(), protocol.value.clone());
            found.duplicate(&Field::new(&Value::Object(shown), &port.path));
        }
        seen.insert(key);
    }
}

/// `clusterIP` may not change once it is set, unless the type is or was ExternalName; an empty one keeps
/// what was allocated.
fn cluster_ip(spec: &Field<'_>, old: &Field<'_>, found: &mut Problems) {
    let (new, before) = (spec.at("clusterIP"), old.at("clusterIP"));
    let external = [spec, old].iter().any(|s| s.at("type").text() == "ExternalName");
    if !external && !before.text().is_empty() && !new.text().is_empty() && new.value != before.value
    {
        let list = Value::Array(vec![new.value.clone()]);
        found.invalid(&Field::new(&list, "spec.clusterIPs[0]"), "may not change once set");
    }
}

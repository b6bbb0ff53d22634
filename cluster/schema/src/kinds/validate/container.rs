//! Validation of the containers of a pod's spec.

use std::collections::BTreeSet;

use rouse_k8s::Quantity;
use rouse_k8s::form;
use serde_json::Value;

use super::names;
use super::problems::{Field, Problems};
use crate::structure::quantity;

/// Where an environment variable may take its value from.
const ENV_SOURCES: [&str; 5] =
    ["configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"];

pub(super) fn check<'a>(
    container: &Field<'a>,
    volumes: &BTreeSet<&str>,
    host_network: bool,
    seen: &mut BTreeSet<&'a str>,
    found: &mut Problems,
) {
    let name = container.at("name");
    found.named(&name, form::dns_1123_label);
    let image = container.at("image");
    if image.text().is_empty() {
        found.required(&image, "");
    } else if image.text().trim() != image.text() {
        found.invalid(&image, "must not have leading or trailing whitespace");
    }
    found.one_of(&container.at("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    found.one_of(&container.at("terminationMessagePolicy"), &["FallbackToLogsOnError", "File"]);
    ports(&container.at("ports"), host_network, found);
    environment(container, found);
    mounts(&container.at("volumeMounts"), volumes, found);
    for (kind, once) in [("livenessProbe", true), ("readinessProbe", false), ("startupProbe", true)]
    {
        probe(&container.at(kind), once, found);
    }
    for kind in ["postStart", "preStop"] {
        let hook = container.at("lifecycle").at(kind);
        if hook.is_set() {
            handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], found);
        }
    }
    resources(&container.at("resources"), found);
    if !name.text().is_empty() && seen.contains(&name.text()) {
        found.duplicate(&name);
    }
    seen.insert(name.text());
}

fn ports(ports: &Field<'_>, host_network: bool, found: &mut Problems) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for port in ports.each() {
        let (name, number, host) = (port.at("name"), port.at("containerPort"), port.at("hostPort"));
        if !name.text().is_empty() {
            found.form(&name, names::port_name(name.text()));
            if seen.contains(&name.text()) {
                found.duplicate(&name);
            }
            seen.insert(name.text());
        }
        if number.number().unwrap_or(0) == 0 {
            found.required(&number, "");
        } else {
            found.port(&number);
        }
        if host.number().is_some_and(|n| n != 0) {
            found.port(&host);
            if host_network && host.value != number.value {
                found.invalid(&number, "must match `hostPort` when `hostNetwork` is true");
            }
        }
        found.one_of(&port.at("protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn environment(container: &Field<'_>, found: &mut Problems) {
    for variable in container.at("env").each() {
        found.named(&variable.at("name"), names::variable);
        let from = variable.at("valueFrom");
        if !from.is_set() {
            continue;
        }
        let count = ENV_SOURCES.iter().filter(|source| from.at(source).is_set()).count();
        if count == 0 {
            let quoted: Vec<String> = ENV_SOURCES.iter().map(|s| format!("`{s}`")).collect();
            let (last, first) = quoted.split_last().map_or(("", &[][..]), |(l, f)| (l.as_str(), f));
            found.invalid(
                &Field::new(&empty(), &from.path),
                &format!("must specify one of: {} or {last}", first.join(", ")),
            );
        } else if !variable.at("value").text().is_empty() {
            found.invalid(
                &Field::new(&empty(), &from.path),
                "may not be specified when `value` is not empty",
            );
        } else if count > 1 {
            found.invalid(
                &Field::new(&empty(), &from.path),
                "may not have more than one field specified at a time",
            );
        }
        for source in ["configMapKeyRef", "secretKeyRef"] {
            let reference = from.at(source);
            if reference.is_set() {
                found.named(&reference.at("name"), form::dns_1123_subdomain);
                found.named(&reference.at("key"), names::config_key);
            }
        }
    }
    for source in container.at("envFrom").each() {
        let (map, secret) = (source.at("configMapRef"), source.at("secretRef"));
        match (map.is_set(), secret.is_set()) {
            (true, true) => {
                found.invalid(
                    &Field::new(&empty(), &source.path),
                    "may not have more than one field specified at a time",
                );
            }
            (false, false) => {
                let what = "must specify one of: `configMapRef` or `secretRef`";
                found.invalid(&Field::new(&empty(), &source.path), what);
            }
            (true, false) => found.named(&map.at("name"), form::dns_1123_subdomain),
            (false, true) => found.named(&secret.at("name"), form::dns_1123_subdomain),
        }
    }
}

fn empty() -> Value {
    Value::String(String::new())
}

fn mounts(mounts: &Field<'_>, volumes: &BTreeSet<&str>, found: &mut Problems) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for mount in mounts.each() {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        if name.text().is_empty() {
            found.required(&name, "");
        } else if !volumes.contains(&name.text()) {
            found.not_found(&name);
        }
        if path.text().is_empty() {
            found.required(&path, "");
        } else if seen.contains(&path.text()) {
            found.invalid(&path, "must be unique");
        }
        seen.insert(path.text());
    }
}

fn probe(probe: &Field<'_>, once: bool, found: &mut Problems) {
    if !probe.is_set() {
        return;
    }
    handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], found);
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        found.not_negative(&probe.at(name));
    }
    let threshold = probe.at("successThreshold");
    if once && threshold.number().is_some_and(|n| n != 1) {
        found.invalid(&threshold, "must be 1");
    }
}

fn handler(handler: &Field<'_>, kinds: &[&str], found: &mut Problems) {
    let set: Vec<&&str> = kinds.iter().filter(|kind| handler.at(kind).is_set()).collect();
    match set.as_slice() {
        [] => found.required(handler, "must specify a handler type"),
        [_] => {}
        [_, more @ ..] => {
            for kind in more {
                found.forbidden(&handler.at(kind), "may not specify more than 1 handler type");
            }
        }
    }
    let exec = handler.at("exec");
    if exec.is_set() && exec.at("command").len() == 0 {
        found.required(&exec.at("command"), "");
    }
    let get = handler.at("httpGet");
    if get.is_set() {
        if get.at("path").text().is_empty() {
            found.required(&get.at("path"), "");
        }
        found.port_or_name(&get.at("port"));
        found.one_of(&get.at("scheme"), &["HTTP", "HTTPS"]);
    }
    if handler.at("tcpSocket").is_set() {
        found.port_or_name(&handler.at("tcpSocket").at("port"));
    }
    if handler.at("grpc").is_set() {
        found.port(&handler.at("grpc").at("port"));
    }
}

fn resources(resources: &Field<'_>, found: &mut Problems) {
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    for list in [&limits, &requests] {
        for (name, value) in list.value.as_object().into_iter().flatten() {
            if quantity(value).is_some_and(Quantity::is_negative) {
                found.invalid(
                    &Field::new(value, &format!("{}[{name}]", list.path)),
                    "must be greater than or equal to 0",
                );
            }
        }
    }
    for (name, request) in requests.value.as_object().into_iter().flatten() {
        let limit = limits.at(name);
        if let (Some(asked), Some(most)) = (quantity(request), quantity(limit.value))
            && asked > most
        {
            let detail = format!("must be less than or equal to {name} limit of {most}");
            let asked = Value::String(asked.to_string());
            found.invalid(&Field::new(&asked, &requests.path), &detail);
        }
    }
}

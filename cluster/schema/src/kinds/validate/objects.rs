//! ConfigMaps, Secrets, endpoints, Leases, Events, and the immutable fields of CRDs.

use rouse_k8s::form;
use rouse_k8s::keys::{FOREGROUND_DELETION, ORPHAN_DEPENDENTS};
use serde_json::Value;

use super::names;
use super::problems::{Field, Problems};

/// Most bytes of a ConfigMap or Secret.
const MOST_DATA: usize = 1024 * 1024;

pub(super) fn config_map(map: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let size = keys(&map.at("data"), found) + keys(&map.at("binaryData"), found);
    let text = map.at("data");
    for key in map.at("binaryData").value.as_object().into_iter().flat_map(|m| m.keys()) {
        if text.value.get(key).is_some() {
            let shown = Value::String(key.clone());
            let at = Field::new(&shown, &format!("binaryData[{key}]"));
            found.invalid(&at, "duplicate of key present in data");
        }
    }
    if size > MOST_DATA {
        let at = Field { value: map.value, path: String::new() };
        found.too_long(&at, MOST_DATA as u64);
    }
    if let Some(old) = old {
        frozen(map, old, &["data", "binaryData"], found);
    }
}

pub(super) fn secret(secret: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let data = secret.at("data");
    if keys(&data, found) > MOST_DATA {
        found.too_long(&data, MOST_DATA as u64);
    }
    let wanted: &[&str] = match secret.at("type").text() {
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in wanted {
        if data.value.get(key).is_none() {
            found.required(&Field::new(&Value::Null, &format!("data[{key}]")), "");
        }
    }
    if let Some(old) = old {
        found.immutable(&secret.at("type"), &old.at("type"));
        frozen(secret, old, &["data"], found);
    }
}

/// Checks the keys, and counts the bytes.
fn keys(data: &Field<'_>, found: &mut Problems) -> usize {
    let mut size = 0;
    for (key, value) in data.value.as_object().into_iter().flatten() {
        let shown = Value::String(key.clone());
        found.form(&Field::new(&shown, &format!("{}[{key}]", data.path)), names::config_key(key));
        size += value.as_str().map_or(0, str::len);
    }
    size
}

/// The fields of an object that was made immutable stay as they are.
fn frozen(new: &Field<'_>, old: &Field<'_>, fields: &[&str], found: &mut Problems) {
    if old.at("immutable").value != true {
        return;
    }
    for name in ["immutable"].iter().chain(fields) {
        let (new, old) = (new.at(name), old.at(name));
        if new.value != old.value {
            found.forbidden(&new, "field is immutable when `immutable` is set");
        }
    }
}

pub(super) fn endpoints(endpoints: &Field<'_>, found: &mut Problems) {
    for subset in endpoints.at("subsets").each() {
        if subset.at("addresses").len() + subset.at("notReadyAddresses").len() == 0 {
            found.required(&subset, "must specify `addresses` or `notReadyAddresses`");
        }
        for address in subset.at("addresses").each().chain(subset.at("notReadyAddresses").each()) {
            ip(&address.at("ip"), found);
        }
        for port in subset.at("ports").each() {
            found.port(&port.at("port"));
            found.one_of(&port.at("protocol"), &["SCTP", "TCP", "UDP"]);
        }
    }
}

pub(super) fn endpoint_slice(slice: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let kind = slice.at("addressType");
    if kind.text().is_empty() {
        found.required(&kind, "");
    } else {
        found.one_of(&kind, &["IPv4", "IPv6", "FQDN"]);
    }
    for endpoint in slice.at("endpoints").each() {
        let addresses = endpoint.at("addresses");
        if addresses.len() == 0 {
            found.required(&addresses, "must contain at least 1 address");
        }
        if kind.text() != "FQDN" {
            addresses.each().for_each(|address| ip(&address, found));
        }
    }
    for port in slice.at("ports").each() {
        found.port(&port.at("port"));
        found.one_of(&port.at("protocol"), &["SCTP", "TCP", "UDP"]);
    }
    if let Some(old) = old {
        found.immutable(&kind, &old.at("addressType"));
    }
}

/// An IP address.
pub(super) fn ip(address: &Field<'_>, found: &mut Problems) {
    if address.text().parse::<std::net::IpAddr>().is_err() {
        found.invalid(address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
}

pub(super) fn lease(lease: &Field<'_>, found: &mut Problems) {
    let spec = lease.at("spec");
    let duration = spec.at("leaseDurationSeconds");
    if duration.number().is_some_and(|n| n <= 0) {
        found.invalid(&duration, "must be greater than 0");
    }
    found.not_negative(&spec.at("leaseTransitions"));
}

/// An Event that says in `about` which object it concerns.
pub(super) fn event(event: &Field<'_>, about: &Field<'_>, found: &mut Problems) {
    let about = about.at("namespace");
    let namespace = event.at("metadata").at("namespace");
    // Events of cluster-wide objects are written to the default namespace.
    let fits = if about.text().is_empty() {
        matches!(namespace.text(), "" | "default" | "kube-system")
    } else {
        about.text() == namespace.text()
    };
    if !fits {
        found.invalid(&about, "does not match event.namespace");
    }
}

/// A Namespace's own finalizers. Upstream: `validateFinalizerName`.
pub(super) fn namespace_finalizers(namespace: &Field<'_>, found: &mut Problems) {
    const STANDARD: [&str; 3] = ["kubernetes", ORPHAN_DEPENDENTS, FOREGROUND_DELETION];
    for finalizer in namespace.at("spec").at("finalizers").each() {
        let complaints = form::qualified_name(finalizer.text());
        if complaints.is_empty() && !finalizer.text().contains('/') {
            if !STANDARD.contains(&finalizer.text()) {
                let why = "name is neither a standard finalizer name nor is it fully qualified";
                found.invalid(&finalizer, why);
            }
        } else {
            found.form(&finalizer, complaints);
        }
    }
}

pub(super) fn crd_update(crd: &Field<'_>, old: &Field<'_>, found: &mut Problems) {
    let (spec, before) = (crd.at("spec"), old.at("spec"));
    for name in ["group", "scope"] {
        found.immutable(&spec.at(name), &before.at(name));
    }
    for name in ["kind", "plural"] {
        found.immutable(&spec.at("names").at(name), &before.at("names").at(name));
    }
    let versions: Vec<&str> = spec.at("versions").each().map(|v| v.at("name").text()).collect();
    for stored in old.at("status").at("storedVersions").each() {
        if !versions.contains(&stored.text()) {
            found.invalid(&stored, "must appear in spec.versions");
        }
    }
}

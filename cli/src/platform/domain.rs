//! The domain of public URLs: `localhost`, an address of this machine by sslip.io, or one of the user's.
//!
//! It stands in the ConfigMap config-domain, whose annotation names the entry that `rouse up` wrote: an entry of the
//! user's stays.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use rouse_api::config::{Data, DomainConfig, Settings as _};
use rouse_api::keys::SYSTEM_NAMESPACE;
use rouse_apiserver::Cluster;
use rouse_apiserver::registry::{Options, Part, Patch};
use serde_json::{Map, Value, json};

use crate::outcome::{Context, Result};

/// The domain that leads to this machine from itself alone.
pub(super) const LOCALHOST: &str = "localhost";
/// The public DNS service whose names hold the address that they resolve to.
const SSLIP: &str = "sslip.io";
const CONFIG_MAP: &str = DomainConfig::NAME;
/// Names the entry of config-domain that `rouse up` wrote.
const ANNOTATION: &str = "rouse.dev/domain";

/// The domain that this run asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    name: String,
    /// By the user, so that it is taken instead of an entry of theirs.
    asked: bool,
}

/// The domain for a gateway that listens on `bind`; `own` is an address of this machine in its network.
pub(super) fn wanted(asked: Option<&str>, bind: IpAddr, own: Option<IpAddr>) -> Wanted {
    if let Some(name) = asked {
        return Wanted { name: name.to_owned(), asked: true };
    }
    let open = match bind {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => None,
        ip if ip.is_unspecified() => own,
        ip => Some(ip),
    };
    Wanted { name: open.map_or_else(|| LOCALHOST.to_owned(), of_address), asked: false }
}

/// `192.168.1.5` -> `192.168.1.5.sslip.io`
fn of_address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}.{SSLIP}"),
        IpAddr::V6(ip) => {
            let parts = ip.segments().map(|part| format!("{part:x}"));
            format!("{}.{SSLIP}", parts.join("-"))
        }
    }
}

/// The address by which this machine reaches others, and they it. Nothing is sent.
pub(super) fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation: what counts is the route to it.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// A note on what a domain needs, besides a listener.
pub(super) fn note(domain: &str, bind: IpAddr) -> Option<String> {
    if domain.ends_with(&format!(".{SSLIP}")) {
        return Some(format!(
            "URLs end in {domain}, which the public DNS of {SSLIP} resolves to this machine; --domain NAME takes \
             another one"
        ));
    }
    if domain == LOCALHOST && bind != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        return Some(format!(
            "URLs end in {domain}, and so lead from other machines nowhere: --domain NAME takes another one"
        ));
    }
    (domain != LOCALHOST)
        .then(|| format!("URLs end in {domain}: *.{domain} has to resolve to this machine"))
}

/// Writes the domain to config-domain. Returns the domain that is in force, and the one before if it is another.
pub(super) fn publish(cluster: &Cluster, wanted: &Wanted) -> Result<(String, Option<String>)> {
    let registry = cluster.registry();
    let kind = registry.builtin("", "v1", "ConfigMap");
    let stored = registry
        .get(&kind, SYSTEM_NAMESPACE, CONFIG_MAP)
        .or_fail(|| format!("cannot find the ConfigMap {CONFIG_MAP}"))?;
    let stored: Value = serde_json::from_slice(&stored.json)
        .or_fail(|| format!("cannot read the ConfigMap {CONFIG_MAP}"))?;
    let data: Data = serde_json::from_value(stored["data"].clone()).unwrap_or_default();
    let written = stored["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or(LOCALHOST);
    let Some(changes) = changes(&data, written, wanted) else {
        return Ok((in_force(&data).unwrap_or(LOCALHOST).to_owned(), None));
    };
    let patch = Patch::Merge(json!({
        "metadata": { "annotations": { ANNOTATION: wanted.name } }, "data": changes,
    }));
    registry
        .patch(&kind, SYSTEM_NAMESPACE, CONFIG_MAP, Part::Main, &patch, &Options::internal())
        .or_fail(|| format!("cannot write the ConfigMap {CONFIG_MAP}"))?;
    Ok((wanted.name.clone(), in_force(&data).map(str::to_owned)))
}

fn in_force(data: &Data) -> Option<&str> {
    DomainConfig::defaults(data).into_iter().next()
}

/// The entries to change; `None` if the wanted one is there already, or one of the user's is and they did not ask for
/// another.
fn changes(data: &Data, written: &str, wanted: &Wanted) -> Option<Map<String, Value>> {
    let there = DomainConfig::defaults(data);
    let ours = there.contains(&written);
    if there == [wanted.name.as_str()] || (!ours && !wanted.asked) {
        return None;
    }
    let gone = there.into_iter().filter(|name| wanted.asked || *name == written);
    let mut changes: Map<String, Value> = gone.map(|name| (name.to_owned(), Value::Null)).collect();
    changes.insert(wanted.name.clone(), "".into());
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(asked: Option<&str>, bind: &str, own: Option<&str>) -> String {
        wanted(asked, bind.parse().unwrap(), own.map(|ip| ip.parse().unwrap())).name
    }

    #[test]
    fn the_domain_follows_the_address_that_is_listened_on() {
        let own = Some("192.168.1.5");
        assert_eq!(domain(None, "127.0.0.1", own), "localhost");
        assert_eq!(domain(None, "0.0.0.0", own), "192.168.1.5.sslip.io");
        assert_eq!(domain(None, "0.0.0.0", None), "localhost");
        assert_eq!(domain(None, "10.0.0.9", own), "10.0.0.9.sslip.io");
        assert_eq!(domain(None, "2001:db8::7", own), "2001-db8-0-0-0-0-0-7.sslip.io");
        assert_eq!(domain(Some("models.example"), "0.0.0.0", own), "models.example");
    }

    #[test]
    fn only_what_was_written_here_changes_unless_the_user_asks() {
        let read = |data: Value| -> Data { serde_json::from_value(data).unwrap() };
        let changed = |data: Value, written: &str, name: &str, asked: bool| {
            let wanted = Wanted { name: name.to_owned(), asked };
            changes(&read(data), written, &wanted).map(Value::from)
        };
        let fresh = || json!({ "_example": "x: \"\"", "localhost": "" });
        assert_eq!(changed(fresh(), "localhost", "localhost", false), None);
        assert_eq!(
            changed(fresh(), "localhost", "a.sslip.io", false),
            Some(json!({ "localhost": null, "a.sslip.io": "" }))
        );
        // The user's own default, and one with a selector.
        let own = || json!({ "example.com": "", "b.example": "selector: {a: b}" });
        assert_eq!(changed(own(), "localhost", "a.sslip.io", false), None);
        assert_eq!(
            changed(own(), "localhost", "c.example", true),
            Some(json!({ "example.com": null, "c.example": "" }))
        );
        assert_eq!(in_force(&read(own())), Some("example.com"));
    }

    #[test]
    fn a_domain_that_needs_something_is_noted() {
        let note = |domain: &str, bind: &str| note(domain, bind.parse().unwrap());
        assert_eq!(note("localhost", "127.0.0.1"), None);
        for (domain, bind, part) in [
            ("localhost", "0.0.0.0", "--domain NAME"),
            ("10.0.0.9.sslip.io", "0.0.0.0", "--domain NAME"),
            ("models.example", "127.0.0.1", "*.models.example has to resolve"),
        ] {
            let said = note(domain, bind).unwrap();
            assert!(said.contains(part), "{said}");
        }
    }
}

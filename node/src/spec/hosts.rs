//! The hosts file of pods: the names of Services that have an address, in the forms that cluster DNS has.
//!
//! | form | where |
//! |---|---|
//! | `NAME.NAMESPACE.svc.cluster.local`, `NAME.NAMESPACE.svc`, `NAME.NAMESPACE` | in all namespaces |
//! | `NAME` | in its own |

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use rouse_k8s::ObjectKey;
use rouse_kit::address;

/// Stands for the name of a volume at the mount of a hosts file; no volume can have it.
pub(crate) const HOSTS: &str = "rouse.dev/hosts";
pub(crate) const HOSTS_FILE: &str = "/etc/hosts";
const SUFFIX: &str = ".svc.cluster.local";
/// Linux takes 64 bytes; a pod's name may be longer.
const HOSTNAME_MAX: usize = 63;

/// How a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// At an address of this machine.
    At(IpAddr),
    /// As another Service is.
    As(ObjectKey),
}

/// How the Service is reached, if it is in a way that pods of this node can use.
pub(crate) fn reached(service: &Service) -> Option<Reached> {
    if let Some(at) = address::annotated(&service.metadata).into_values().next() {
        return Some(Reached::At(at.ip()));
    }
    let external = service.spec.as_ref()?.external_name.as_deref()?;
    let (name, namespace) = external.strip_suffix(SUFFIX)?.split_once('.')?;
    Some(Reached::As(ObjectKey::new(namespace, name)))
}

/// The addresses of all Services that have one.
pub(crate) fn addresses(all: &BTreeMap<ObjectKey, Reached>) -> BTreeMap<ObjectKey, IpAddr> {
    let of = |reached: &Reached| match reached {
        Reached::At(address) => Some(*address),
        Reached::As(other) => match all.get(other)? {
            Reached::At(address) => Some(*address),
            Reached::As(_) => None,
        },
    };
    all.iter().filter_map(|(key, reached)| Some((key.clone(), of(reached)?))).collect()
}

/// The host name of the pod `name`.
pub(crate) fn hostname(name: &str) -> String {
    name.chars().take(HOSTNAME_MAX).collect()
}

/// The first lines of the hosts file in a container, as engines write them. Until its address is known, the
/// pod's name is loopback.
pub(crate) fn of_container(hostname: &str, ip: Option<IpAddr>) -> String {
    let ip = ip.unwrap_or(IpAddr::from([127, 0, 1, 1]));
    format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\n\
         ff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n{ip} {hostname}\n"
    )
}

/// The hosts file of a namespace's pods, after the lines in `before`.
pub(crate) fn file(
    before: &str,
    namespace: &str,
    addresses: &BTreeMap<ObjectKey, IpAddr>,
) -> String {
    let mut text = before.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (key, address) in addresses {
        let (name, of) = (&key.name, &key.namespace);
        // Writing to a string cannot fail.
        let _ = write!(text, "{address} {name}.{of}{SUFFIX} {name}.{of}.svc {name}.{of}");
        if of == namespace {
            let _ = write!(text, " {name}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(value: serde_json::Value) -> Option<Reached> {
        reached(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn services_are_reached_at_their_address_or_as_the_one_that_they_name() {
        let gateway = ObjectKey::new("knative-serving", "gateway-local");
        let at = |text: &str| {
            service(json!({ "metadata": { "annotations": { "rouse.dev/address": text } } }))
        };
        let named = |name: &str| service(json!({ "spec": { "externalName": name } }));
        let known = at(r#"{"80":"127.0.80.1:80"}"#);
        assert_eq!(known, Some(Reached::At([127, 0, 80, 1].into())));
        let follows = named("gateway-local.knative-serving.svc.cluster.local");
        assert_eq!(follows, Some(Reached::As(gateway.clone())));
        for nowhere in [at("{}"), at("x"), named("example.org"), service(json!({ "spec": {} }))] {
            assert_eq!(nowhere, None);
        }
        let all = [
            (gateway, known.unwrap()),
            (ObjectKey::new("shop", "hello"), follows.unwrap()),
            (ObjectKey::new("shop", "lost"), Reached::As(ObjectKey::new("shop", "none"))),
        ];
        let addresses = addresses(&all.into());
        let text = file("127.0.0.1 localhost", "shop", &addresses);
        assert_eq!(
            text,
            "127.0.0.1 localhost\n\
             127.0.80.1 gateway-local.knative-serving.svc.cluster.local \
             gateway-local.knative-serving.svc gateway-local.knative-serving\n\
             127.0.80.1 hello.shop.svc.cluster.local hello.shop.svc hello.shop hello\n"
        );
        assert!(!file("", "bank", &addresses).contains(" hello\n"));
    }
}

//! Objects that a Knative installation brings: its first objects, and the gateway's Services.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use rouse_api::keys::{GATEWAY, GATEWAY_LOCAL, SYSTEM_NAMESPACE};
use rouse_api::{Route, Service};
use rouse_apiserver::Cluster;
use rouse_apiserver::registry::{Options, Part, Patch};
use rouse_kit::address::ADDRESS_ANNOTATION;
use serde_json::{Value, json};

use crate::outcome::{Context, Result};

/// The platform's first objects: Knative's CRDs and ConfigMaps, with URLs under `localhost`.
pub(super) fn initial() -> Result<Vec<Value>> {
    let mut objects: Vec<Value> =
        serde_json::from_str(include_str!("../../../manifests/initial.json"))
            .or_fail(|| "the packed manifests are no JSON".to_owned())?;
    let domain = objects
        .iter_mut()
        .find(|o| o["kind"] == "ConfigMap" && o["metadata"]["name"] == "config-domain");
    if let Some(domain) = domain {
        domain["data"]["localhost"] = "".into();
    }
    Ok(objects)
}

/// Longest wait for Routes to name a new gateway port.
const RENAME_TIMEOUT: Duration = Duration::from_secs(10);

/// Writes the two gateway Services with the ports of this run. True if a public port is another
/// than in the run before.
pub(super) fn publish(
    cluster: &Cluster,
    public: SocketAddr,
    https: SocketAddr,
    (local, pods): (SocketAddr, Option<IpAddr>),
) -> Result<bool> {
    let mut moved = false;
    let port = |name: &str, at: SocketAddr| {
        let port = at.port();
        json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": port })
    };
    let public = vec![port("http2", public), port("https", https)];
    // One on every address is reached at the one that pods know.
    let ip = pods.filter(|_| local.ip().is_unspecified()).unwrap_or(local.ip());
    let local_address = SocketAddr::new(ip, local.port());
    let local_address = json!({ local.port().to_string(): local_address.to_string() }).to_string();
    let local = vec![port("http2", local)];
    for (name, ports) in [(GATEWAY, public), (GATEWAY_LOCAL, local)] {
        let ports = Value::from(ports);
        // Pods of this machine find the services there.
        let annotations = match name {
            GATEWAY_LOCAL => json!({ ADDRESS_ANNOTATION: local_address }),
            _ => json!({}),
        };
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": name, "namespace": SYSTEM_NAMESPACE, "annotations": annotations },
            "spec": { "ports": ports }
        });
        let registry = cluster.registry();
        let kind = registry.builtin("", "v1", "Service");
        let written = match registry.get(&kind, SYSTEM_NAMESPACE, name) {
            Ok(before) => {
                let before: Value = serde_json::from_slice(&before.json)
                    .or_fail(|| format!("cannot read the Service {name}"))?;
                let same =
                    |index: usize| before["spec"]["ports"][index]["port"] == ports[index]["port"];
                moved |= name == GATEWAY && !(same(0) && same(1));
                let patch = Patch::Merge(json!({
                    "metadata": { "annotations": annotations }, "spec": service["spec"],
                }));
                registry.patch(
                    &kind,
                    SYSTEM_NAMESPACE,
                    name,
                    Part::Main,
                    &patch,
                    &Options::internal(),
                )
            }
            Err(_) => registry.create(&kind, SYSTEM_NAMESPACE, service, &Options::internal()),
        };
        written.or_fail(|| format!("cannot publish the Service {name}"))?;
    }
    Ok(moved)
}

/// Waits up to [`RENAME_TIMEOUT`] until the URL of every public Route and Service names the port of its scheme, and
/// none the domain that was left, so that URLs read after the start work. One without a URL is not waited for.
pub(super) async fn urls_name(http: u16, https: u16, left: Option<&str>, client: kube::Client) {
    let is_old = |url: &str| {
        names_another(url, http, https) || left.is_some_and(|domain| is_within(url, domain))
    };
    let renamed = async {
        let routes = Api::<Route>::all(client.clone());
        none_names(routes, |route| route.status.as_ref()?.url.as_deref(), &is_old).await;
        // They have their URLs from their Routes.
        let services = Api::<Service>::all(client);
        none_names(services, |service| service.status.as_ref()?.url.as_deref(), &is_old).await;
    };
    if tokio::time::timeout(RENAME_TIMEOUT, renamed).await.is_err() {
        // A Route that cannot be reconciled must not keep the platform from starting.
        tracing::warn!(http, https, "some URLs do not name the gateway's port or domain yet");
    }
}

/// Waits until no object of a kind has an old URL.
async fn none_names<K>(
    api: Api<K>,
    url_of: impl Fn(&K) -> Option<&str>,
    is_old: &impl Fn(&str) -> bool,
) where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let mut listed = false;
    let mut waiting = BTreeSet::new();
    let mut objects = pin!(watcher(api, watcher::Config::default()).default_backoff());
    while let Some(event) = objects.next().await {
        match event {
            Ok(watcher::Event::InitDone) => listed = true,
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                let key = (object.meta().namespace.clone(), object.meta().name.clone());
                if url_of(&object).is_some_and(is_old) {
                    waiting.insert(key);
                } else {
                    waiting.remove(&key);
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                waiting.remove(&(object.meta().namespace.clone(), object.meta().name.clone()));
            }
            Ok(watcher::Event::Init) | Err(_) => {}
        }
        if listed && waiting.is_empty() {
            return;
        }
    }
}

/// Whether a URL's host is in a domain.
fn is_within(url: &str, domain: &str) -> bool {
    let uri: Option<http::Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host);
    host.and_then(|host| host.strip_suffix(domain)).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a public URL leads to another port than the gateway's. Cluster-local ones have none.
fn names_another(url: &str, http: u16, https: u16) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (port, usual) = if scheme == "https" { (https, "443") } else { (http, "80") };
    let authority = rest.split('/').next().unwrap_or(rest);
    let (host, named) = authority.split_once(':').unwrap_or((authority, usual));
    !host.contains(".svc.") && named != port.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_urls_can_name_an_old_port() {
        for (url, another) in [
            ("http://a.default.localhost:7080", false),
            ("http://a.default.localhost:7081", true),
            ("http://a.default.localhost", true),
            ("http://a.default.svc.cluster.local", false),
        ] {
            assert_eq!(names_another(url, 7080, 7081), another, "{url}");
            let https =
                url.replace("7081", "7082").replace("7080", "7081").replace("http:", "https:");
            assert_eq!(names_another(&https, 7080, 7081), another, "{https}");
        }
        assert!(is_within("http://a.default.localhost:7080", "localhost"));
        assert!(!is_within("http://a.default.mylocalhost:7080", "localhost"));
        assert!(!names_another("http://a.default.localhost", 80, 443));
        assert!(!names_another("https://a.default.localhost", 80, 443));
    }
}

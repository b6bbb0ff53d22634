//! The objects that say where the gateway is: what a real cluster's installation would have.

use std::net::SocketAddr;

use rouse_api::keys::{GATEWAY, GATEWAY_LOCAL, SYSTEM_NAMESPACE};
use rouse_cluster::Cluster;
use rouse_cluster::registry::{Options, Part, Patch};
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

/// The two gateway Services, with the ports of this run.
pub(super) fn publish(cluster: &Cluster, public: SocketAddr, local: SocketAddr) -> Result {
    for (name, address) in [(GATEWAY, public), (GATEWAY_LOCAL, local)] {
        let port = address.port();
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": name, "namespace": SYSTEM_NAMESPACE },
            "spec": { "ports": [{ "name": "http2", "port": port, "protocol": "TCP", "targetPort": port }] }
        });
        let registry = cluster.registry();
        let kind = registry.builtin("", "v1", "Service");
        let written = match registry.get(&kind, SYSTEM_NAMESPACE, name) {
            Ok(_) => {
                let patch = Patch::Merge(json!({ "spec": service["spec"] }));
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
    Ok(())
}

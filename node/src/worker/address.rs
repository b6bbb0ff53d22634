//! The annotation with the addresses of a pod's ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use rouse_kit::address::ADDRESS_ANNOTATION;
use serde_json::json;

use super::shared::Shared;

/// A write that fails is tried again, for without the address no request reaches the pod.
const TRIES: u32 = 5;
const AGAIN: Duration = Duration::from_millis(100);

/// Writes the addresses of the pod's ports to its annotation.
pub(super) async fn annotate(shared: &Shared, pod: &Pod, addresses: &BTreeMap<u16, SocketAddr>) {
    if addresses.is_empty() {
        return;
    }
    let by_port: BTreeMap<String, String> =
        addresses.iter().map(|(port, to)| (port.to_string(), to.to_string())).collect();
    let text = json!(by_port).to_string();
    let annotations = pod.metadata.annotations.as_ref();
    if annotations.and_then(|all| all.get(ADDRESS_ANNOTATION)) == Some(&text) {
        return;
    }
    let (Some(name), Some(namespace)) = (&pod.metadata.name, &pod.metadata.namespace) else {
        return;
    };
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let patch = json!({"metadata": {
        "uid": pod.metadata.uid,
        "annotations": {ADDRESS_ANNOTATION: text},
    }});
    for _ in 0..TRIES {
        match api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => return,
            // Another pod of that name, or none: no client needs the address of this one.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return,
            Err(error) => {
                tracing::warn!(%error, ns = %namespace, name = %name, "cannot write a pod's address");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

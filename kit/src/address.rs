//! Addresses of container ports.
//!
//! A pod in the host's network, or behind Docker Desktop, is not reached at `podIP:containerPort`.
//! Its node agent then writes the annotation below; on a real cluster the annotation means nothing
//! and must be ignored, since any user could write it. So the binary chooses the resolver.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A JSON object from container port (as a string) to `host:port`. Only node agents may set it.
pub const ADDRESS_ANNOTATION: &str = "rouse.dev/address";

/// From a pod and a container port to the socket address that reaches it, if it has one yet.
pub type AddressResolver = Arc<dyn Fn(&Pod, u16) -> Option<SocketAddr> + Send + Sync>;

/// `podIP:containerPort`, as on any cluster.
#[must_use]
pub fn by_pod_ip() -> AddressResolver {
    Arc::new(pod_ip)
}

/// The annotation where there is one, else `podIP:containerPort`. For the embedded cluster.
#[must_use]
pub fn by_annotation() -> AddressResolver {
    Arc::new(|pod, port| {
        annotated(&pod.metadata).remove(&port.to_string()).or_else(|| pod_ip(pod, port))
    })
}

fn pod_ip(pod: &Pod, port: u16) -> Option<SocketAddr> {
    let ip = pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

/// The addresses that an object's annotation names, by port. Empty where there is none that can be read.
#[must_use]
pub fn annotated(metadata: &ObjectMeta) -> BTreeMap<String, SocketAddr> {
    let text = metadata.annotations.as_ref().and_then(|all| all.get(ADDRESS_ANNOTATION));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotation: Option<&str>) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.annotations =
            annotation.map(|a| [(ADDRESS_ANNOTATION.to_owned(), a.to_owned())].into());
        pod.status = Some(k8s_openapi::api::core::v1::PodStatus {
            pod_ip: Some("10.1.2.3".to_owned()),
            ..Default::default()
        });
        pod
    }

    #[test]
    fn the_annotation_wins_where_it_names_the_port() {
        let pod = pod(Some(r#"{"8080":"127.0.0.1:4321"}"#));
        assert_eq!(by_annotation()(&pod, 8080), Some(([127, 0, 0, 1], 4321).into()));
        assert_eq!(by_annotation()(&pod, 9000), Some(([10, 1, 2, 3], 9000).into()));
    }

    #[test]
    fn a_real_cluster_ignores_the_annotation() {
        let pod = pod(Some(r#"{"8080":"127.0.0.1:4321"}"#));
        assert_eq!(by_pod_ip()(&pod, 8080), Some(([10, 1, 2, 3], 8080).into()));
    }
}

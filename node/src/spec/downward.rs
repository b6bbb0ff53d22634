//! The downward API: fields of the pod and resources of a container, as text.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource;
use rouse_k8s::Quantity;

use super::sources::Sources;

/// A field of the pod, as far as variables may refer to it.
pub(crate) fn field(
    pod: &Pod,
    sources: &Sources,
    from: &ObjectFieldSelector,
) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let path = from.field_path.as_str();
    let keyed = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']");
    let looked_up = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default()
    };
    if let Some(key) = keyed("metadata.labels['") {
        return Ok(looked_up(&meta.labels, key));
    }
    if let Some(key) = keyed("metadata.annotations['") {
        return Ok(looked_up(&meta.annotations, key));
    }
    let ip = |ip: Option<IpAddr>| ip.map(|ip| ip.to_string());
    let value = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.hostIP" | "status.hostIPs" => ip(sources.host_ip),
        "status.podIP" | "status.podIPs" => ip(sources.pod_ip),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    };
    Ok(value.unwrap_or_default())
}

/// `limits.cpu` and the like, in units of the divisor, rounded up.
pub(crate) fn resource(
    container: &Container,
    from: &ResourceFieldSelector,
) -> Result<String, String> {
    let resources = container.resources.clone().unwrap_or_default();
    let unsupported = || format!("unsupported container resource: {}", from.resource);
    let (kind, name) = from.resource.split_once('.').ok_or_else(unsupported)?;
    let map = match kind {
        "limits" => resources.limits,
        "requests" => resources.requests,
        _ => return Err(unsupported()),
    };
    let millis = |quantity: &resource::Quantity| {
        let quantity = Quantity::try_from(quantity).ok()?;
        u128::try_from(quantity.milli_value()).ok()
    };
    let value = map.unwrap_or_default().get(name).and_then(millis).unwrap_or(0);
    let divisor = from.divisor.as_ref().and_then(millis).filter(|d| *d > 0);
    Ok(value.div_ceil(divisor.unwrap_or(1000)).to_string())
}

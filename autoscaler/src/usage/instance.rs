//! The size of one pod, as bills count it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use rouse_api::usage::Instance;
use rouse_k8s::Quantity;

const GPU: &str = "nvidia.com/gpu";

/// The limits of a template's containers, or their requests where they have no limit; together.
pub(crate) fn instance_of(template: &PodTemplateSpec) -> Instance {
    let containers = || template.spec.iter().flat_map(|spec| &spec.containers);
    let sum = |resource: &str| {
        let amounts = containers().filter_map(|container| amount(container, resource));
        amounts.reduce(i128::saturating_add)
    };
    let millis = |resource| sum(resource).map(|millis| millis as f64 / 1000.0);
    Instance {
        vcpu: millis("cpu"),
        memory_bytes: sum("memory").and_then(|millis| u64::try_from(millis / 1000).ok()),
        gpus: sum(GPU).and_then(|millis| u32::try_from(millis / 1000).ok()).unwrap_or(0),
        min_scale: 0,
    }
}

/// In thousandths. What cannot be read counts as not written.
fn amount(container: &Container, resource: &str) -> Option<i128> {
    let resources = container.resources.as_ref()?;
    let of = |list: &Option<BTreeMap<String, Written>>| {
        let quantity = Quantity::parse(&list.as_ref()?.get(resource)?.0).ok()?;
        Some(quantity.milli_value()).filter(|millis| *millis >= 0)
    };
    of(&resources.limits).or_else(|| of(&resources.requests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn size(containers: serde_json::Value) -> Instance {
        instance_of(&serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap())
    }

    #[test]
    fn an_instance_is_all_its_containers() {
        let container = |resources| json!({"name": "c", "resources": resources});
        assert_eq!(size(json!([{"name": "c"}])), Instance::default());
        let limits = json!({"limits": {"cpu": "500m", "memory": "1Gi", GPU: "2"},
            "requests": {"cpu": "100m"}});
        let requests = json!({"requests": {"cpu": "250m", "memory": "x"}});
        let both = size(json!([container(limits), container(requests)]));
        let want =
            Instance { vcpu: Some(0.75), memory_bytes: Some(1 << 30), gpus: 2, min_scale: 0 };
        assert_eq!(both, want);
    }
}

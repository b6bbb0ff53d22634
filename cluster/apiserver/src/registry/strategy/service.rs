//! Cluster addresses of Services. Nothing listens on them here; clients expect each to have its own.

use serde_json::{Value, json};

use super::rules::{Followup, PLAIN, Strategy};
use crate::status::Failure;
use crate::store::Store;

/// 10.96.0.0/12, as kubeadm has it.
const FIRST: u32 = 0x0a60_0000;
const COUNT: u32 = 1 << 20;

pub(super) const STRATEGY: Strategy = Strategy {
    prepare_for_create: |registry, service| {
        allocate(&registry.store, service)?;
        Ok(Followup::Nothing)
    },
    prepare_for_update: |registry, service, old| {
        if has_address(old) {
            keep_allocated(service, old);
        } else {
            allocate(&registry.store, service)?;
        }
        Ok(Followup::Nothing)
    },
    ..PLAIN
};

/// Fields that an address comes with.
const ALLOCATED: [&str; 4] = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];

/// Whether a Service has an address by its type.
fn has_address(service: &Value) -> bool {
    service["spec"]["type"] != "ExternalName"
}

/// Allocates the `clusterIP` of a Service, unless it names one or is an ExternalName.
fn allocate(store: &Store, object: &mut Value) -> Result<(), Failure> {
    if !has_address(object) {
        return Ok(());
    }
    let given = object["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned();
    let address = if given.is_empty() { free_address(store)? } else { given };
    object["spec"]["clusterIPs"] = json!([address]);
    object["spec"]["clusterIP"] = address.into();
    for (field, value) in
        [("ipFamilies", json!(["IPv4"])), ("ipFamilyPolicy", json!("SingleStack"))]
    {
        if object["spec"][field].is_null() {
            object["spec"][field] = value;
        }
    }
    Ok(())
}

/// An update without an address, or with an empty one, keeps it. A Service that becomes an ExternalName
/// gives it up unless it is changed. Upstream: `patchAllocatedValues`, `dropTypeDependentFields`.
fn keep_allocated(new: &mut Value, old: &Value) {
    if !has_address(new) {
        let given = &new["spec"]["clusterIP"];
        if (is_empty(given) || *given == old["spec"]["clusterIP"])
            && let Some(spec) = new["spec"].as_object_mut()
        {
            ALLOCATED.iter().for_each(|field| drop(spec.remove(*field)));
        }
        return;
    }
    for field in ALLOCATED {
        if is_empty(&new["spec"][field]) && !old["spec"][field].is_null() {
            new["spec"][field] = old["spec"][field].clone();
        }
    }
}

/// Whether a field names nothing: absent, or empty as charts write it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.iter().all(|item| item == ""),
        _ => false,
    }
}

fn free_address(store: &Store) -> Result<String, Failure> {
    let services = store.list("services", None).objects;
    let taken: std::collections::HashSet<String> = services
        .iter()
        .filter_map(|s| s.value()["spec"]["clusterIP"].as_str().map(str::to_owned))
        .collect();
    let start =
        u32::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap_or_default());
    // One more try than there are addresses taken finds a free one.
    (0..=u32::try_from(taken.len()).unwrap_or(COUNT))
        .map(|n| FIRST + 1 + start.wrapping_add(n) % (COUNT - 2))
        .map(|bits| std::net::Ipv4Addr::from_bits(bits).to_string())
        .find(|address| !taken.contains(address))
        .ok_or_else(|| Failure::internal("no cluster address is left"))
}

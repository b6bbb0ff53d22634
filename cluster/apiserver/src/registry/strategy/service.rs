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
    prepare_for_update: |_, service, old| {
        keep_allocated(service, old);
        Ok(Followup::Nothing)
    },
    ..PLAIN
};

/// Allocates the `clusterIP` of a new Service, unless it names one or is an ExternalName.
fn allocate(store: &Store, object: &mut Value) -> Result<(), Failure> {
    if object["spec"]["type"] == "ExternalName" {
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

/// An update without the address keeps it.
fn keep_allocated(new: &mut Value, old: &Value) {
    if new["spec"]["type"] == "ExternalName" {
        return;
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if new["spec"][field].is_null() && !old["spec"][field].is_null() {
            new["spec"][field] = old["spec"][field].clone();
        }
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

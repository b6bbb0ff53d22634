//! The objects that a container's variables and volumes refer to: by name, and as they were fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};

/// Names of the objects that are to be fetched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) config_maps: BTreeSet<String>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) claims: BTreeSet<String>,
}

/// Everything that variables and volumes may come from; objects that do not exist are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) namespace: String,
    pub(crate) config_maps: BTreeMap<String, ConfigMap>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) claims: BTreeMap<String, PersistentVolumeClaim>,
    pub(crate) pod_ip: Option<IpAddr>,
    pub(crate) host_ip: Option<IpAddr>,
}

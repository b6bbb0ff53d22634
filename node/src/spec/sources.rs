//! The objects that a container's variables and volumes refer to: by name, and as they were fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};

/// Names of the objects that are to be fetched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) config_maps: BTreeSet<String>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) claims: BTreeSet<String>,
    pub(crate) tokens: BTreeSet<TokenKind>,
}

/// A token of the pod's service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenKind {
    /// Empty for the API.
    pub(crate) audience: String,
    pub(crate) seconds: i64,
}

/// Everything that variables and volumes may come from; objects that do not exist are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) namespace: String,
    pub(crate) config_maps: BTreeMap<String, ConfigMap>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) claims: BTreeMap<String, PersistentVolumeClaim>,
    pub(crate) tokens: BTreeMap<TokenKind, String>,
    /// The address at which pods reach the API.
    pub(crate) api: Option<SocketAddr>,
    pub(crate) pod_ip: Option<IpAddr>,
    pub(crate) host_ip: Option<IpAddr>,
}

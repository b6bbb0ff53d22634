//! A reference to a pod: its name, namespace and uid.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use rouse_k8s::object;
use serde::Serialize;

/// Identifies a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl PodRef {
    pub(crate) fn of(pod: &Pod) -> Self {
        let meta = &pod.metadata;
        Self {
            namespace: object::namespace(meta).to_owned(),
            name: object::name(meta).to_owned(),
            uid: object::uid(meta).to_owned(),
        }
    }
}

impl fmt::Display for PodRef {
    /// As the kubelet writes it in messages: `name_namespace(uid)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}({})", self.name, self.namespace, self.uid)
    }
}

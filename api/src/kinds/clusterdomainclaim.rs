//! ClusterDomainClaim: reserves a domain name for a namespace.

use serde::{Deserialize, Serialize};

#[derive(kube::CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "networking.internal.knative.dev",
    version = "v1alpha1",
    kind = "ClusterDomainClaim",
    shortname = "cdc",
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct ClusterDomainClaimSpec {
    /// The namespace that may have a DomainMapping of this name.
    #[serde(default)]
    pub namespace: String,
}

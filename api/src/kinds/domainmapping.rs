//! DomainMapping: a host name of the user's own for a Service or Route.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, ConditionSet};
use super::route::Addressable;
use super::routing::Routing;

pub const DOMAIN_CLAIMED: &str = "DomainClaimed";
pub const REFERENCE_RESOLVED: &str = "ReferenceResolved";
pub const INGRESS_READY: &str = "IngressReady";
pub const CERTIFICATE_PROVISIONED: &str = "CertificateProvisioned";
/// The conditions that decide a DomainMapping's Ready.
pub const CONDITIONS: ConditionSet = ConditionSet::new(&[
    DOMAIN_CLAIMED,
    REFERENCE_RESOLVED,
    INGRESS_READY,
    CERTIFICATE_PROVISIONED,
]);

#[derive(kube::CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "serving.knative.dev",
    version = "v1beta1",
    kind = "DomainMapping",
    namespaced,
    status = "DomainMappingStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
pub struct DomainMappingSpec {
    #[serde(rename = "ref")]
    pub reference: KReference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SecretTls>,
}

/// The user's own certificate for the domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretTls {
    /// A Secret of type `kubernetes.io/tls` in the mapping's namespace.
    pub secret_name: String,
}

/// Names the object that a mapping points to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KReference {
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    pub api_version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainMappingStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Addressable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
}

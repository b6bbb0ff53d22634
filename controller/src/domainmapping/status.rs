//! The status of a DomainMapping.

use jiff::Timestamp;
use rouse_api::condition::{self, Condition, Conditions};
use rouse_api::domainmapping::{
    CERTIFICATE_PROVISIONED, CONDITIONS, DOMAIN_CLAIMED, INGRESS_READY, REFERENCE_RESOLVED,
};
use rouse_api::route::Addressable;
use rouse_api::{DomainMapping, DomainMappingStatus};
use rouse_kit::ApplyError;
use rouse_kit::certificates::TLS_SECRET;

use super::certificate::Certificate;
use crate::lookups::served::Serving;
use crate::objects::gateway::{Gateway, url};
use crate::objects::meta::name;

/// Why the mapping's namespace has no claim on the domain.
pub(super) struct NotClaimed {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

pub(super) fn mark(
    status: &mut DomainMappingStatus,
    mapping: &DomainMapping,
    now: Timestamp,
    change: impl FnOnce(&mut Conditions<'_>),
) {
    let generation = mapping.metadata.generation;
    let observed = status.observed_generation;
    let mut conditions = CONDITIONS.begin(&mut status.conditions, observed, generation, now);
    change(&mut conditions);
    status.observed_generation = generation;
}

pub(super) fn addresses(
    status: &mut DomainMappingStatus,
    domain: &str,
    scheme: &str,
    gateway: Gateway,
) {
    let url = url(scheme, domain, gateway);
    status.address = Some(Addressable { url: Some(url.clone()) });
    status.url = Some(url);
}

pub(super) fn already_claimed(mapping: &DomainMapping) -> NotClaimed {
    let message = format!("The domain name {:?} is already in use", name(mapping));
    NotClaimed { reason: "DomainAlreadyClaimed", message }
}

pub(super) fn no_claim(mapping: &DomainMapping) -> NotClaimed {
    let domain = name(mapping);
    let message = format!(
        "there is no ClusterDomainClaim {domain:?}: create one for this namespace, or set \
         autocreate-cluster-domain-claims in config-network"
    );
    NotClaimed { reason: "DomainClaimFailed", message }
}

/// The API server refused the claim.
pub(super) fn claim_failed(
    mapping: &DomainMapping,
    error: &ApplyError,
    now: Timestamp,
) -> DomainMappingStatus {
    let mut status = mapping.status.clone().unwrap_or_default();
    mark(&mut status, mapping, now, |conditions| {
        conditions.mark_false(DOMAIN_CLAIMED, "DomainClaimFailed", &error.to_string());
    });
    status
}

pub(super) fn unresolved(conditions: &mut Conditions<'_>, mapping: &DomainMapping) {
    let reference = &mapping.spec.reference;
    let message = format!("{} {:?} not found", reference.kind, reference.name);
    conditions.mark_false(REFERENCE_RESOLVED, "ResolveFailed", &message);
}

pub(super) fn unsupported(conditions: &mut Conditions<'_>, mapping: &DomainMapping) {
    let reference = &mapping.spec.reference;
    let message = format!(
        "a reference to {} of {:?} is not handled: refer to a Service or Route of \
         serving.knative.dev",
        reference.kind, reference.api_version
    );
    conditions.mark_false(REFERENCE_RESOLVED, "ResolveFailed", &message);
}

/// The user's own certificate.
pub(super) fn certificate(conditions: &mut Conditions<'_>, certificate: &Certificate) {
    match certificate {
        Certificate::Usable => conditions.mark_true_with_reason(
            CERTIFICATE_PROVISIONED,
            "CertificateExternallyProvided",
            "TLS certificate was provided externally",
        ),
        Certificate::Missing { secret } => {
            let message = format!(
                "there is no Secret {secret:?} of type {TLS_SECRET} here: kubectl create secret tls \
                 {secret} --cert FILE --key FILE"
            );
            conditions.mark_false(CERTIFICATE_PROVISIONED, "SecretNotFound", &message);
        }
        Certificate::Broken { secret, cause } => {
            let message = format!("the Secret {secret:?} has no certificate to serve: {cause}");
            conditions.mark_false(CERTIFICATE_PROVISIONED, "SecretInvalid", &message);
        }
    }
}

pub(super) fn ingress(conditions: &mut Conditions<'_>, ready: bool, serving: &Serving) {
    if ready {
        conditions.mark_true(INGRESS_READY);
    } else {
        let message =
            serving.problem().unwrap_or("Waiting until every activator serves the domain.");
        conditions.mark_unknown(INGRESS_READY, "Uninitialized", message);
    }
}

pub(super) fn ingress_is_ready(status: &DomainMappingStatus) -> bool {
    condition::find(&status.conditions, INGRESS_READY).is_some_and(Condition::is_true)
}

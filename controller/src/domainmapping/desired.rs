//! DomainMapping -> ClusterDomainClaim, `status.routing`.
//!
//! A claim reserves a domain for one namespace. A claim that this controller created may be taken
//! over once its mapping is gone; any other claim never is.
//!
//! Upstream: pkg/reconciler/domainmapping/reconciler.go.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use rouse_api::callers::Ingress;
use rouse_api::config::ApiConfig;
use rouse_api::config::domain::CLUSTER_LOCAL_DOMAIN;
use rouse_api::domainmapping::{CERTIFICATE_PROVISIONED, DOMAIN_CLAIMED, REFERENCE_RESOLVED};
use rouse_api::routing::{Callers, Host, Routing};
use rouse_api::{
    ClusterDomainClaim, ClusterDomainClaimSpec, DomainMapping, DomainMappingStatus, Route,
};
use rouse_kit::Plan;

use super::certificate::Certificate;
use super::status;
use crate::lookups::served::Serving;
use crate::objects::children::Map;
use crate::objects::gateway::Gateway;
use crate::objects::meta::{name, namespace};
use crate::objects::routing::versioned;

/// Marks claims that this controller created.
const AUTOCREATED: &str = "rouse.dev/autocreated";

/// All inputs of the decision.
pub(crate) struct Observed {
    pub(super) claim: Option<Arc<ClusterDomainClaim>>,
    /// Whether the namespace that has the claim also has a mapping of this name.
    pub(super) held: bool,
    pub(super) target: Target,
    /// The state of the Secret that `spec.tls` names, if there is one.
    pub(super) certificate: Option<Certificate>,
    pub(super) gateway: Gateway,
    pub(super) serving: Serving,
    pub(super) config: Arc<ApiConfig>,
}

/// The target of a mapping's reference.
pub(crate) enum Target {
    Route(Arc<Route>),
    /// A Service that has no Route yet.
    NotYet,
    Missing,
    Unsupported,
}

pub(super) fn desired(
    mapping: &DomainMapping,
    seen: &Observed,
    now: Timestamp,
) -> Plan<DomainMappingStatus> {
    let mut plan = Plan::default();
    let mut next = mapping.status.clone().unwrap_or_default();
    let network = &seen.config.network;
    let external = seen.gateway.external_tls(mapping.annotations(), network);
    let scheme = match mapping.spec.tls {
        Some(_) => "https",
        None => external.scheme(&network.default_external_scheme),
    };
    status::addresses(&mut next, name(mapping), scheme, seen.gateway);
    let claim = claim(mapping, seen, &mut plan);
    let routing = match (&claim, &seen.target) {
        (Ok(()), Target::Route(route)) => compile(mapping, route, seen)
            .map(|host| versioned(next.routing.as_ref(), vec![host], now)),
        (Ok(()), Target::NotYet | Target::Missing | Target::Unsupported) => next.routing.clone(),
        // A domain that the namespace has not claimed must not be routed.
        (Err(_), _) => None,
    };
    let ready = is_served(&next, routing.as_ref(), &seen.serving);
    next.routing = routing;
    status::mark(&mut next, mapping, now, |conditions| {
        match claim {
            Ok(()) => conditions.mark_true(DOMAIN_CLAIMED),
            Err(status::NotClaimed { reason, message }) => {
                conditions.mark_false(DOMAIN_CLAIMED, reason, &message);
            }
        }
        match &seen.target {
            Target::Route(_) | Target::NotYet => conditions.mark_true(REFERENCE_RESOLVED),
            Target::Missing => status::unresolved(conditions, mapping),
            Target::Unsupported => status::unsupported(conditions, mapping),
        }
        match &seen.certificate {
            Some(certificate) => status::certificate(conditions, certificate),
            None => external.mark(conditions, CERTIFICATE_PROVISIONED),
        }
        status::ingress(conditions, ready, &seen.serving);
    });
    plan.status = Some(next);
    plan
}

fn claim(
    mapping: &DomainMapping,
    seen: &Observed,
    plan: &mut Plan<DomainMappingStatus>,
) -> Result<(), status::NotClaimed> {
    let auto = seen.config.network.autocreate_cluster_domain_claims;
    match seen.claim.as_deref() {
        None if auto => {
            plan.create(&new_claim(mapping));
            Ok(())
        }
        None => Err(status::no_claim(mapping)),
        Some(claim) if claim.spec.namespace == namespace(mapping) => Ok(()),
        Some(claim) if !seen.held && claim.annotations().contains_key(AUTOCREATED) => {
            let mut taken = claim.clone();
            namespace(mapping).clone_into(&mut taken.spec.namespace);
            plan.replace(claim, &taken);
            Ok(())
        }
        Some(_) => Err(status::already_claimed(mapping)),
    }
}

fn new_claim(mapping: &DomainMapping) -> ClusterDomainClaim {
    ClusterDomainClaim {
        metadata: ObjectMeta {
            name: Some(name(mapping).to_owned()),
            annotations: Some(Map::from([(AUTOCREATED.to_owned(), "true".to_owned())])),
            ..ObjectMeta::default()
        },
        spec: ClusterDomainClaimSpec { namespace: namespace(mapping).to_owned() },
    }
}

/// The Route's main host under the mapping's domain.
fn compile(mapping: &DomainMapping, route: &Route, seen: &Observed) -> Option<Host> {
    let routing = route.status.as_ref()?.routing.as_ref()?;
    let main = routing.hosts.iter().find(|host| host.tag.is_none())?;
    let domain = name(mapping).to_ascii_lowercase();
    let callers = main.callers.clone().map(|callers| with_host(callers, &domain));
    let (public, local) = match Ingress::of(route.annotations()) {
        Ingress::Internal => (Vec::new(), vec![domain]),
        Ingress::All | Ingress::InternalAndLoadBalancing => (vec![domain], Vec::new()),
    };
    Some(Host {
        public,
        local,
        tag: None,
        http: seen.gateway.http_option(mapping.annotations(), &seen.config.network),
        split: main.split.clone(),
        header_tags: main.header_tags.clone(),
        tls_secret: mapping.spec.tls.as_ref().map(|tls| tls.secret_name.clone()),
        rewrite_host: Some(format!("{}.{}.{CLUSTER_LOCAL_DOMAIN}", name(route), namespace(route))),
        callers,
    })
}

/// The rule of a Service under one more host: tokens may be for that one too.
fn with_host(mut callers: Callers, host: &str) -> Callers {
    if let Some(invokers) = &mut callers.invokers {
        invokers.hosts.push(host.to_owned());
    }
    callers
}

fn is_served(before: &DomainMappingStatus, next: Option<&Routing>, serving: &Serving) -> bool {
    let Some(next) = next else { return false };
    let is_written = before.routing.as_ref() == Some(next);
    let is_served = serving.serves(next.version);
    is_written && (is_served || status::ingress_is_ready(before))
}

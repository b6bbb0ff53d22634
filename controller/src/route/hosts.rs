//! The host names of a Route and of its tags, and the URLs made of them.
//!
//! Upstream: pkg/reconciler/route/domains/domains.go.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service as CoreService;
use kube::ResourceExt;
use rouse_api::callers::Ingress;
use rouse_api::config::domain::CLUSTER_LOCAL_DOMAIN;
use rouse_api::config::network::DomainValues;
use rouse_api::config::{ApiConfig, NetworkConfig};
use rouse_api::template::TemplateError;
use rouse_api::{Route, keys};
use rouse_k8s::form;

use crate::objects::gateway::{Gateway, url};
use crate::objects::meta::{name, namespace};

/// Why a Route gets no host: the cluster's templates do not suit it.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error("domain name error: {0}")]
    Template(#[from] TemplateError),
    #[error("domain name error: invalid domain name {host:?}: {problem}")]
    Invalid { host: String, problem: String },
}

/// The names under which one target is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// None for the Route itself.
    pub(super) tag: Option<String>,
    /// The name of its core Service, and the first part of its local names.
    pub(super) service: String,
    /// None if it is reached from within the cluster only.
    pub(super) public: Option<String>,
    /// The longest first.
    pub(super) local: Vec<String>,
}

impl Names {
    /// The URL in the status.
    pub(super) fn url(&self, scheme: &str, gateway: Gateway) -> String {
        match &self.public {
            Some(host) => url(scheme, host, gateway),
            None => self.local_url(gateway),
        }
    }

    /// All of them.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.public.iter().chain(&self.local).cloned().collect()
    }

    pub(super) fn local_url(&self, gateway: Gateway) -> String {
        gateway.local_url(&self.local[0])
    }
}

/// The Route's own names and those of its tags, in the user's order.
pub(super) fn names(
    route: &Route,
    placeholders: &BTreeMap<&str, &CoreService>,
    config: &ApiConfig,
) -> Result<Vec<Names>, HostError> {
    let mut tags: Vec<Option<&str>> = vec![None];
    for tag in route.spec.traffic.iter().filter_map(|target| target.tag.as_deref()) {
        if !tag.is_empty() && !tags.contains(&Some(tag)) {
            tags.push(Some(tag));
        }
    }
    tags.into_iter().map(|tag| one(route, tag, placeholders, config)).collect()
}

fn one(
    route: &Route,
    tag: Option<&str>,
    placeholders: &BTreeMap<&str, &CoreService>,
    config: &ApiConfig,
) -> Result<Names, HostError> {
    let service = match tag {
        None => name(route).to_owned(),
        Some(tag) => config.network.tag_name(tag, name(route))?,
    };
    let namespace = namespace(route);
    let domain = config.domain.look_up(route.labels());
    let hidden = placeholders.get(service.as_str()).is_some_and(|service| is_local(*service));
    let inside = Ingress::of(route.annotations()) != Ingress::All;
    let public = if domain == CLUSTER_LOCAL_DOMAIN || hidden || inside {
        None
    } else {
        let host = config.network.host(DomainValues {
            name: &service,
            namespace,
            domain,
            annotations: route.annotations(),
            labels: route.labels(),
        })?;
        Some(checked(host)?)
    };
    let local = vec![
        format!("{service}.{namespace}.{CLUSTER_LOCAL_DOMAIN}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}"),
    ];
    Ok(Names { tag: tag.map(ToOwned::to_owned), service, public, local })
}

/// The host in lower case, if it is a full domain name of valid labels.
fn checked(host: String) -> Result<String, HostError> {
    let host = host.to_ascii_lowercase();
    match form::fully_qualified_domain("url", &host) {
        None => Ok(host),
        Some(problem) => Err(HostError::Invalid { host, problem }),
    }
}

/// The names of the core Services that a Route needs, as far as they are valid.
pub(super) fn service_names(route: &Route, network: &NetworkConfig) -> Vec<String> {
    let tags = route.spec.traffic.iter().filter_map(|target| target.tag.as_deref());
    let tagged = tags.filter(|tag| !tag.is_empty());
    std::iter::once(name(route).to_owned())
        .chain(tagged.filter_map(|tag| network.tag_name(tag, name(route)).ok()))
        .collect()
}

fn is_local<K: kube::Resource>(object: &K) -> bool {
    object.labels().get(keys::VISIBILITY).is_some_and(|v| v == keys::VISIBILITY_CLUSTER_LOCAL)
}

#[cfg(test)]
mod tests;

//! `config-domain`: the domain of a Route's hosts, chosen by its labels.
//!
//! Upstream: `pkg/reconciler/route/config/domain.go`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::selector::{Selector, most_specific};
use super::settings::{ConfigError, Data, EXAMPLE_KEY, Settings};
use crate::terms::keys;

/// The domain of Routes that match no key, and of cluster-local Routes.
pub const CLUSTER_LOCAL_DOMAIN: &str = "svc.cluster.local";
/// The domain of the cluster's own names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// Domain to the labels that choose it; no labels make it the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainConfig {
    domains: BTreeMap<String, Selector>,
}

impl Default for DomainConfig {
    fn default() -> Self {
        Self { domains: BTreeMap::from([(CLUSTER_LOCAL_DOMAIN.to_owned(), BTreeMap::new())]) }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    selector: Option<Selector>,
}

impl Settings for DomainConfig {
    const NAME: &'static str = "config-domain";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let mut domains = BTreeMap::new();
        for (domain, raw) in data.iter().filter(|(key, _)| *key != EXAMPLE_KEY) {
            domains.insert(domain.clone(), selector(domain, raw)?);
        }
        if !domains.values().any(BTreeMap::is_empty) {
            domains.insert(CLUSTER_LOCAL_DOMAIN.to_owned(), BTreeMap::new());
        }
        Ok(Self { domains })
    }
}

impl DomainConfig {
    /// Of `data`, the domains that no selector narrows, by name: the first is the default.
    #[must_use]
    pub fn defaults(data: &Data) -> Vec<&str> {
        let entries = data.iter().filter(|(key, _)| *key != EXAMPLE_KEY);
        let is_default = |(domain, raw): &(&String, &String)| {
            selector(domain, raw).is_ok_and(|selector| selector.is_empty())
        };
        entries.filter(is_default).map(|(domain, _)| domain.as_str()).collect()
    }

    /// The domain of a Route with these labels: that of the most specific selector that matches, of
    /// equal ones the first by name.
    #[must_use]
    pub fn look_up(&self, labels: &BTreeMap<String, String>) -> &str {
        if labels.get(keys::VISIBILITY).is_some_and(|v| v == keys::VISIBILITY_CLUSTER_LOCAL) {
            return CLUSTER_LOCAL_DOMAIN;
        }
        most_specific(&self.domains, labels).unwrap_or(CLUSTER_LOCAL_DOMAIN)
    }
}

fn selector(domain: &str, raw: &str) -> Result<Selector, ConfigError> {
    if raw.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let entry: Option<Entry> = serde_yaml::from_str(raw).map_err(|e| {
        ConfigError::new(domain, format!("failed to parse the selector of {domain:?}: {e}"))
    })?;
    Ok(entry.unwrap_or_default().selector.unwrap_or_default())
}

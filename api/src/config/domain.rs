//! `config-domain`: which domain a Route's hosts end in, by its labels.
//!
//! Upstream: `pkg/reconciler/route/config/domain.go`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ConfigError, Data, EXAMPLE_KEY, Settings};
use crate::keys;

/// What a Route's hosts end in where no key matches, and for whoever is reached locally only.
pub const CLUSTER_LOCAL_DOMAIN: &str = "svc.cluster.local";
/// The domain of the cluster's own names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// Domain to the labels that choose it; no labels make it the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainConfig {
    domains: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for DomainConfig {
    fn default() -> Self {
        Self { domains: BTreeMap::from([(CLUSTER_LOCAL_DOMAIN.to_owned(), BTreeMap::new())]) }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    selector: Option<BTreeMap<String, String>>,
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
    /// The domain of a Route with these labels: that of the most specific selector that matches, of
    /// equal ones the first by name.
    #[must_use]
    pub fn look_up(&self, labels: &BTreeMap<String, String>) -> &str {
        if labels.get(keys::VISIBILITY).is_some_and(|v| v == keys::VISIBILITY_CLUSTER_LOCAL) {
            return CLUSTER_LOCAL_DOMAIN;
        }
        self.domains
            .iter()
            .filter(|(_, selector)| matches(selector, labels))
            .max_by(|(a, x), (b, y)| x.len().cmp(&y.len()).then(b.cmp(a)))
            .map_or(CLUSTER_LOCAL_DOMAIN, |(domain, _)| domain.as_str())
    }
}

/// Whether `labels` have all that `selector` asks for.
pub(super) fn matches(
    selector: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn selector(domain: &str, raw: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    if raw.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let entry: Option<Entry> = serde_saphyr::from_str(raw).map_err(|e| {
        ConfigError::new(domain, format!("failed to parse the selector of {domain:?}: {e}"))
    })?;
    Ok(entry.unwrap_or_default().selector.unwrap_or_default())
}

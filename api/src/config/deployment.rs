//! `config-deployment`: settings of revisions' Deployments.
//!
//! There is no queue-proxy here, so its keys are checked and otherwise without effect. Knative
//! requires `queue-sidecar-image`; here it may be absent.
//!
//! Upstream: `pkg/deployment/config.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rouse_k8s::{GoDuration, form};
use serde::Deserialize;

use super::read::Reader;
use super::selector::{Selector, most_specific};
use super::settings::{ConfigError, Data, Settings};
use crate::terms::field_error::go_list;

/// The longest `progressDeadlineSeconds` that a Deployment can hold.
pub const PROGRESS_DEADLINE_MAX: GoDuration = GoDuration::from_secs(i32::MAX as i64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentConfig {
    /// Registries whose images are run by tag, without a digest.
    pub registries_skipping_tag_resolving: BTreeSet<String>,
    pub digest_resolution_timeout: Duration,
    pub progress_deadline: Duration,
    pub default_affinity_type: AffinityType,
    /// Runtime class to the labels that choose it.
    pub runtime_class_names: BTreeMap<String, Selector>,
    pub pod_is_always_schedulable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityType {
    None,
    PreferSpreadRevisionOverNodes,
}

impl Default for DeploymentConfig {
    fn default() -> Self {
        let registries = ["kind.local", "ko.local", "dev.local"];
        Self {
            registries_skipping_tag_resolving: registries.map(str::to_owned).into(),
            digest_resolution_timeout: Duration::from_secs(10),
            progress_deadline: Duration::from_secs(600),
            default_affinity_type: AffinityType::PreferSpreadRevisionOverNodes,
            runtime_class_names: BTreeMap::new(),
            pod_is_always_schedulable: false,
        }
    }
}

/// Keys of the queue-proxy's resources; the old spellings beside the new.
const SIDECAR_QUANTITIES: [&str; 12] = [
    "queue-sidecar-cpu-request",
    "queue-sidecar-cpu-limit",
    "queue-sidecar-memory-request",
    "queue-sidecar-memory-limit",
    "queue-sidecar-ephemeral-storage-request",
    "queue-sidecar-ephemeral-storage-limit",
    "queueSidecarCPURequest",
    "queueSidecarCPULimit",
    "queueSidecarMemoryRequest",
    "queueSidecarMemoryLimit",
    "queueSidecarEphemeralStorageRequest",
    "queueSidecarEphemeralStorageLimit",
];

impl Settings for DeploymentConfig {
    const NAME: &'static str = "config-deployment";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let read = Reader(data);
        let mut config = Self::default();
        for key in SIDECAR_QUANTITIES {
            read.quantity(key, &mut None)?;
        }
        for key in ["registriesSkippingTagResolving", "registries-skipping-tag-resolving"] {
            if let Some(raw) = data.get(key) {
                config.registries_skipping_tag_resolving =
                    raw.split(',').map(|part| part.trim().to_owned()).collect();
            }
        }
        config.read_times(read)?;
        if let Some(raw) = data.get("default-affinity-type") {
            config.default_affinity_type = match raw.as_str() {
                "none" => AffinityType::None,
                "prefer-spread-revision-over-nodes" => AffinityType::PreferSpreadRevisionOverNodes,
                other => {
                    let key = "default-affinity-type";
                    let problem = format!("unsupported {key} value: {other:?}");
                    return Err(ConfigError::new(key, problem));
                }
            };
        }
        config.runtime_class_names = runtime_classes(data)?;
        read.bool("pod-is-always-schedulable", &mut config.pod_is_always_schedulable)?;
        Ok(config)
    }
}

impl DeploymentConfig {
    fn read_times(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        let mut deadline = GoDuration::from(self.progress_deadline);
        let mut digest = GoDuration::from(self.digest_resolution_timeout);
        read.duration("progressDeadline", &mut deadline)?;
        read.duration("progress-deadline", &mut deadline)?;
        read.duration("digestResolutionTimeout", &mut digest)?;
        read.duration("digest-resolution-timeout", &mut digest)?;
        for (key, value) in [("progress-deadline", deadline), ("digest-resolution-timeout", digest)]
        {
            if value <= GoDuration::default() {
                let problem = format!("{key} cannot be a non-positive duration, was {value}");
                return Err(ConfigError::new(key, problem));
            }
        }
        if deadline > PROGRESS_DEADLINE_MAX {
            let key = "progress-deadline";
            let problem =
                format!("{key} = {deadline}, cannot be more than {PROGRESS_DEADLINE_MAX}");
            return Err(ConfigError::new(key, problem));
        }
        if !deadline.is_whole_seconds() {
            let key = "progress-deadline";
            let problem = format!("{key} must be rounded to a whole second, was: {deadline}");
            return Err(ConfigError::new(key, problem));
        }
        self.progress_deadline = deadline.to_std();
        self.digest_resolution_timeout = digest.to_std();
        Ok(())
    }

    /// The runtime class of a revision with these labels: the most specific that matches, of equal
    /// ones the first by name.
    #[must_use]
    pub fn runtime_class(&self, labels: &BTreeMap<String, String>) -> Option<&str> {
        most_specific(&self.runtime_class_names, labels)
    }
}

fn runtime_classes(data: &Data) -> Result<BTreeMap<String, Selector>, ConfigError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Entry {
        selector: Selector,
    }

    let key = "runtime-class-name";
    let raw = data.get(key).map_or("", |raw| raw.trim());
    if raw.is_empty() {
        return Ok(BTreeMap::new());
    }
    let entries: BTreeMap<String, Option<Entry>> = serde_yaml::from_str(raw).map_err(|e| {
        ConfigError::new(key, format!("{key} cannot be parsed, please check the format: {e}"))
    })?;
    let mut classes = BTreeMap::new();
    for (class, entry) in entries {
        let problems = form::dns_1123_subdomain(&class);
        if !problems.is_empty() {
            let problem =
                format!("{key} {class} selector not valid DNSSubdomain: {}", go_list(&problems));
            return Err(ConfigError::new(key, problem));
        }
        classes.insert(class, entry.unwrap_or_default().selector);
    }
    Ok(classes)
}

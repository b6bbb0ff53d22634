//! Knative's ConfigMaps in `knative-serving`: their keys, defaults and rules.
//!
//! A ConfigMap that breaks a rule is refused whole, by the name of the key; who reads settings
//! keeps the last good ones. Keys that are not known, and `_example`, are ignored, as Knative does.

pub mod autoscaler;
pub mod defaults;
pub mod deployment;
pub mod domain;
pub mod features;
pub mod gc;
pub mod network;
pub mod observability;
mod read;

use std::collections::BTreeMap;

pub use autoscaler::AutoscalerConfig;
pub use defaults::DefaultsConfig;
pub use deployment::DeploymentConfig;
pub use domain::DomainConfig;
pub use features::{Features, Flag};
pub use gc::GcConfig;
pub use network::NetworkConfig;
pub use observability::ObservabilityConfig;

/// The key under which Knative's ConfigMaps explain themselves.
pub const EXAMPLE_KEY: &str = "_example";
/// The CRC-32 of `_example`, by which an edit of the example instead of the data is noticed.
pub const EXAMPLE_CHECKSUM: &str = "knative.dev/example-checksum";

/// The `data` of a ConfigMap.
pub type Data = BTreeMap<String, String>;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ConfigError {
    pub key: String,
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(key: &str, problem: impl Into<String>) -> Self {
        Self { key: key.to_owned(), problem: problem.into() }
    }
}

/// One ConfigMap, read.
pub trait Settings: Default + Clone + PartialEq + Send + Sync + 'static {
    /// Name of the ConfigMap in the system namespace.
    const NAME: &'static str;

    /// Reads all keys; those that are absent have their defaults.
    fn from_data(data: &Data) -> Result<Self, ConfigError>;
}

/// All settings that admission and the reconcilers read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiConfig {
    pub autoscaler: AutoscalerConfig,
    pub defaults: DefaultsConfig,
    pub deployment: DeploymentConfig,
    pub domain: DomainConfig,
    pub features: Features,
    pub gc: GcConfig,
    pub network: NetworkConfig,
    pub observability: ObservabilityConfig,
}

impl ApiConfig {
    /// The names of the ConfigMaps that make it up.
    pub const NAMES: [&'static str; 8] = [
        AutoscalerConfig::NAME,
        DefaultsConfig::NAME,
        DeploymentConfig::NAME,
        DomainConfig::NAME,
        Features::NAME,
        GcConfig::NAME,
        NetworkConfig::NAME,
        ObservabilityConfig::NAME,
    ];

    /// Takes the ConfigMap called `name`. On an error, and for a name that is none of
    /// [`Self::NAMES`], everything stays as it is.
    pub fn apply(&mut self, name: &str, data: &Data) -> Result<(), ConfigError> {
        match name {
            AutoscalerConfig::NAME => self.autoscaler = Settings::from_data(data)?,
            DefaultsConfig::NAME => self.defaults = Settings::from_data(data)?,
            DeploymentConfig::NAME => self.deployment = Settings::from_data(data)?,
            DomainConfig::NAME => self.domain = Settings::from_data(data)?,
            Features::NAME => self.features = Settings::from_data(data)?,
            GcConfig::NAME => self.gc = Settings::from_data(data)?,
            NetworkConfig::NAME => self.network = Settings::from_data(data)?,
            ObservabilityConfig::NAME => self.observability = Settings::from_data(data)?,
            _ => {}
        }
        Ok(())
    }
}

/// The checksum that Knative writes beside `_example`: CRC-32 (IEEE), in hex, of its trimmed text
/// with each run of line ends as the two characters `\n`.
#[must_use]
pub fn example_checksum(example: &str) -> String {
    let lines = example.trim().split('\n').map(|line| line.trim_end_matches('\r'));
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\\n");
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    format!("{:08x}", !crc)
}

#[cfg(test)]
mod manifest_tests;
#[cfg(test)]
mod tests;

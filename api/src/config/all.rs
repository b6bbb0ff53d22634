//! All settings that admission and the reconcilers read, as one value.

use super::autoscaler::AutoscalerConfig;
use super::defaults::DefaultsConfig;
use super::deployment::DeploymentConfig;
use super::domain::DomainConfig;
use super::features::Features;
use super::gc::GcConfig;
use super::network::NetworkConfig;
use super::observability::ObservabilityConfig;
use super::settings::{ConfigError, Data, Settings};

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

    /// Applies the ConfigMap called `name`. On an error, and for a name that is none of
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

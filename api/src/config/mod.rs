//! Settings: Knative's ConfigMaps in `knative-serving`, and the annotations that override them.
//!
//! A ConfigMap that breaks a rule is refused whole, by the name of the key; readers of
//! settings keep the last good ones. Unknown keys and `_example` are ignored, as by Knative.

mod all;
pub mod annotations;
pub mod autoscaler;
pub mod callers;
pub mod cloud_run;
pub mod defaults;
pub mod deployment;
pub mod domain;
pub mod effects;
mod example;
pub mod features;
pub mod gc;
pub mod network;
pub mod observability;
mod read;
mod selector;
mod settings;

pub use all::ApiConfig;
pub use autoscaler::AutoscalerConfig;
pub use defaults::DefaultsConfig;
pub use deployment::DeploymentConfig;
pub use domain::DomainConfig;
pub use example::{EXAMPLE_CHECKSUM, example_checksum};
pub use features::{Features, Flag};
pub use gc::GcConfig;
pub use network::NetworkConfig;
pub use observability::ObservabilityConfig;
pub use settings::{ConfigError, Data, EXAMPLE_KEY, Settings};

#[cfg(test)]
mod tests;

//! Settings of one ConfigMap: its data, how it is read, why it may be refused.

use std::collections::BTreeMap;

/// The key under which Knative's ConfigMaps document their settings.
pub const EXAMPLE_KEY: &str = "_example";

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

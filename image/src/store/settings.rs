//! Settings of a store: limits of what is unpacked, and times for registries.

use std::path::PathBuf;
use std::time::Duration;

/// How much an image may become, so that a small download cannot fill a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // Above the largest images that people serve models from (CUDA with weights).
        Self { bytes: 64 << 30, entries: 4_000_000 }
    }
}

/// How long registries may take, and who is asked there.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// For asking what a name means, all attempts together. Knative's default for tag resolution.
    pub resolve_timeout: Duration,
    /// For opening a connection.
    pub connect_timeout: Duration,
    /// Without a byte of an answer, while pulling.
    pub read_timeout: Duration,
    /// The folder of Docker's `config.json`, whose logins are used.
    pub docker_config: Option<PathBuf>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
        Self {
            resolve_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            docker_config: std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home),
        }
    }
}

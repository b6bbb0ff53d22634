//! Settings of a store: limits on unpacked images, and timeouts for registries.

use std::path::PathBuf;
use std::time::Duration;

use crate::formats::logins::Logins;
use crate::formats::registries::Registries;

/// Limits on an unpacked image, so that a small download cannot fill a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of all layers together, as fetched and as unpacked.
    pub(crate) bytes: u64,
    /// Files, folders, links and whiteouts of all layers together.
    pub(crate) entries: u64,
    /// A layer may become this many times its size …
    pub(crate) ratio: u64,
    /// … and this large in any case: files of zeros are no attack while they are small.
    pub(crate) ratio_free_bytes: u64,
    /// Longest time to unpack an image.
    pub(crate) time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Above the largest images that people serve models from (CUDA with weights).
            bytes: 64 << 30,
            // Twice what the largest images of Python environments hold.
            entries: 1_000_000,
            ratio: 200,
            ratio_free_bytes: 256 << 20,
            time: Duration::from_secs(3600),
        }
    }
}

/// Timeouts of registries, and the logins for them.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// For resolving a tag, all attempts together; each place that may have it gets a share. Knative's default for tag
    /// resolution.
    pub resolve_timeout: Duration,
    /// For opening a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a byte of an answer, while pulling.
    pub read_timeout: Duration,
    /// For a manifest, a token or the start of a layer, from the request to the last byte.
    pub document_timeout: Duration,
    /// For each MiB of a layer.
    pub stall_timeout: Duration,
    /// The folder of Docker's `config.json`, whose logins are used.
    pub docker_config: Option<PathBuf>,
    /// Address of a Docker engine whose images are found too.
    pub docker_engine: Option<String>,
    /// Logins that are tried before those.
    pub logins: Logins,
    /// Mirrors, and registries without TLS.
    pub registries: Registries,
}

/// The default socket of engines.
const DOCKER_SOCKET: &str = "unix:///var/run/docker.sock";

impl Default for RegistryOptions {
    fn default() -> Self {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
        Self {
            resolve_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            document_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            docker_config: std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home),
            docker_engine: Some(
                std::env::var("DOCKER_HOST").unwrap_or_else(|_| DOCKER_SOCKET.to_owned()),
            ),
            logins: Logins::default(),
            registries: Registries::default(),
        }
    }
}

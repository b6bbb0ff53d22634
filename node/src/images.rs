//! Images as the agent needs them: is it here, bring it here, and what is in its configuration.
//!
//! A trait, so that the agent and its tests know nothing of registries.

use std::path::PathBuf;
use std::sync::Arc;

use crate::runtime::BoxFuture;

/// An image that is on this machine, unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// As the pod names it.
    pub reference: String,
    /// `sha256:…` of its manifest.
    pub digest: String,
    pub rootfs: PathBuf,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    /// Its programs use the interpreter of this host: it cannot run in a container of its own.
    pub needs_host: Option<String>,
    pub size: u64,
}

/// Why an image is not here, in a sentence for the pod's status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ImageError(pub String);

/// Where images come from.
pub trait Images: Send + Sync + 'static {
    /// Local only; never the network.
    fn find<'a>(
        &'a self,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<Image>>, ImageError>>;

    /// From its registry, unpacked.
    fn pull<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Arc<Image>, ImageError>>;
}

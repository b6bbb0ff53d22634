//! Errors of images, worded for the user.

use std::io;
use std::path::{Path, PathBuf};

use super::bound::Bound;
use super::digest::{Digest, NotADigest};

/// Every failure of this crate. `Display` is a whole sentence fit for a condition or a terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{reference:?} is not an image reference: {reason}")]
    InvalidReference { reference: String, reason: String },
    #[error(transparent)]
    InvalidDigest(#[from] NotADigest),
    #[error(
        "image {reference:?} was not found: it is neither in the local store nor in a local Docker engine, and registry {registry} has no such repository or tag; check the name, or build it with `rouse build`"
    )]
    NotFound { reference: String, registry: String },
    #[error(
        "image {reference:?} is not in the local store; build it with `rouse build` or pull it"
    )]
    NotInStore { reference: String },
    #[error(
        "registry {registry} refused access to image {reference:?} (unauthorized): the image is private or does not exist; run `docker login {registry}`, whose saved login is used, or name a pull secret of the namespace in `imagePullSecrets` or in the service account"
    )]
    Unauthorized { reference: String, registry: String },
    #[error(
        "registry {registry} could not be reached for image {reference:?}: {reason}; check the network, or build the image locally with `rouse build`"
    )]
    Unreachable { reference: String, registry: String, reason: String },
    #[error(
        "registry {registry} is not trusted for image {reference:?}: {reason}; if it has no TLS or a certificate of its own, start with `rouse up --insecure-registry {registry}`, or name its authority as docs/images.md says"
    )]
    Untrusted { reference: String, registry: String, reason: String },
    #[error(
        "registry {registry} cannot answer for image {reference:?} now: {reason}; it is asked again"
    )]
    Unavailable { reference: String, registry: String, reason: String },
    #[error("image {reference:?} is blocked by the configuration of registries")]
    Blocked { reference: String },
    #[error("{path} is no configuration of registries: {reason}")]
    RegistryConfig { path: PathBuf, reason: String },
    #[error("registry {registry} answered for image {reference:?} with an error: {reason}")]
    Registry { reference: String, registry: String, reason: String },
    #[error("image {reference:?} has no variant for {wanted}; it offers: {offered}")]
    NoPlatform { reference: String, wanted: String, offered: String },
    #[error(
        "image {digest} cannot be unpacked: layer {layer} is damaged or hostile: {reason}; nothing of it was kept"
    )]
    BadLayer { digest: Digest, layer: Digest, reason: String },
    #[error("image {image} is refused: {bound}; {}", .bound.remedy())]
    Exceeded { image: String, bound: Bound },
    #[error("the archive cannot be imported: {reason}")]
    Archive { reason: String },
    #[error("the Docker engine has image {reference:?}, but it cannot be read: {reason}")]
    Engine { reference: String, reason: String },
    #[error("image {digest} is in the store but not unpacked; pull or build it again")]
    NotUnpacked { digest: Digest },
    #[error(
        "the image store is damaged: {path}: {reason}; remove that file and pull or build the image again"
    )]
    Damaged { path: PathBuf, reason: String },
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot build from {path}: {reason}")]
    Build { path: PathBuf, reason: String },
    #[error("image {digest} cannot be started without a container runtime: {reason}")]
    NotInPlace { digest: Digest, reason: String },
}

impl Error {
    /// A stable word for logs, conditions and `-o json`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::InvalidReference { .. } | Self::InvalidDigest(_) => "InvalidImageName",
            Self::NotFound { .. } | Self::NotInStore { .. } => "ImageNotFound",
            Self::Unauthorized { .. } => "Unauthorized",
            Self::Unreachable { .. } | Self::Unavailable { .. } => "RegistryUnavailable",
            Self::Untrusted { .. } => "RegistryUntrusted",
            Self::Blocked { .. } => "RegistryBlocked",
            Self::RegistryConfig { .. } => "InvalidRegistryConfig",
            Self::Registry { .. } => "RegistryError",
            Self::NoPlatform { .. } => "NoMatchingPlatform",
            Self::BadLayer { .. } | Self::Archive { .. } => "InvalidImage",
            Self::Engine { .. } => "DockerEngineError",
            Self::Exceeded { bound, .. } => bound.label(),
            Self::NotUnpacked { .. } => "ImageNotUnpacked",
            Self::Damaged { .. } => "ImageStoreDamaged",
            Self::Io { .. } => "ImageStoreError",
            Self::Build { .. } => "BuildFailed",
            Self::NotInPlace { .. } => "NeedsContainerRuntime",
        }
    }

    /// Whether the registry gave no answer about the image, and may give one later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unavailable { .. } => true,
            Self::Exceeded { bound, .. } => bound.is_slowness(),
            _ => false,
        }
    }

    /// A refusal names the image as the user wrote it, not by a digest.
    pub(crate) fn naming(self, written: &str) -> Self {
        match self {
            Self::Exceeded { bound, .. } => Self::exceeded(written, bound),
            other => other,
        }
    }

    pub(crate) fn exceeded(written: &str, bound: Bound) -> Self {
        Self::Exceeded { image: format!("{written:?}"), bound }
    }

    pub(crate) fn exceeded_by_archive(bound: Bound) -> Self {
        Self::Exceeded { image: "of the archive".to_owned(), bound }
    }

    pub(crate) fn io<P: AsRef<Path>>(
        action: &'static str,
        path: P,
    ) -> impl FnOnce(io::Error) -> Self + use<P> {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn build(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Build { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    pub(crate) fn damaged(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::Damaged { path: path.as_ref().to_owned(), reason: reason.to_string() }
    }
}

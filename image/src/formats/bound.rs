//! The limits on answers of registries and on layers, worded for the user.

use super::digest::Digest;

/// Manifests, indexes and configurations are small; a larger one is an attack or a mistake.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 8 << 20;
/// The answer of a token endpoint.
pub(crate) const TOKEN_BYTES_MAX: u64 = 1 << 20;
/// Redirects followed for one request.
pub(crate) const REDIRECTS_MAX: usize = 5;
/// Well above the 127 that container engines can stack.
pub(crate) const LAYERS_MAX: usize = 512;
/// Bytes of a layer that must arrive in each `RegistryOptions::stall_timeout`.
pub(crate) const LAYER_STEP_BYTES: u64 = 1 << 20;

/// A limit that an image went over. `Display` is half a sentence about the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bound {
    #[error("its {what} is larger than {}", bytes(*.max))]
    Document { what: &'static str, max: u64 },
    #[error("its {what} did not arrive within {seconds} s")]
    DocumentTime { what: &'static str, seconds: u64 },
    #[error("its registry redirected a request more than {max} times")]
    Redirects { max: usize },
    #[error("its manifest lists {layers} layers, and {max} are the most")]
    Layers { layers: usize, max: usize },
    #[error("its layers are larger than {} together", bytes(*.max))]
    Download { max: u64 },
    #[error("its registry sent more for {blob} than the {size} bytes that the manifest announces")]
    LongerThanAnnounced { blob: Digest, size: u64 },
    #[error("less than {} of {blob} arrived in {seconds} s", bytes(LAYER_STEP_BYTES))]
    LayerTime { blob: Digest, seconds: u64 },
    #[error("it is larger than {} when unpacked", bytes(*.max))]
    Unpacked { max: u64 },
    #[error("a layer grows to more than {times} times its size when unpacked")]
    Ratio { times: u64 },
    #[error("it holds more than {max} files and folders")]
    Entries { max: u64 },
    #[error("a layer holds a path of more than {bytes} bytes or {depth} folders")]
    Path { bytes: usize, depth: usize },
    #[error("a file in a layer has more than {} of names and attributes", bytes(*.max))]
    Headers { max: u64 },
    #[error("it was not unpacked within {seconds} s")]
    UnpackTime { seconds: u64 },
}

impl Bound {
    /// What the user can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Document { .. } | Self::Redirects { .. } | Self::LongerThanAnnounced { .. } => {
                "check that the name leads to a registry that you trust, and push the image again"
            }
            Self::DocumentTime { .. } | Self::LayerTime { .. } => {
                "check the network and the registry, or build the image locally with `rouse build`"
            }
            Self::Layers { .. } => "build the image with fewer steps, or squash its layers",
            Self::Download { .. } | Self::Unpacked { .. } | Self::Entries { .. } => {
                "make the image smaller, and bring large data in by a volume"
            }
            Self::Ratio { .. } => {
                "leave files of zeros out of the image, or check where the image is from"
            }
            Self::Path { .. } | Self::Headers { .. } => {
                "shorten the names in the image, or check where the image is from"
            }
            Self::UnpackTime { .. } => {
                "make the image smaller, or keep the data directory on a faster disk"
            }
        }
    }

    /// Whether a retry may succeed; the bytes that arrived are then kept for it.
    pub(crate) fn is_slowness(&self) -> bool {
        matches!(self, Self::DocumentTime { .. } | Self::LayerTime { .. })
    }

    /// A stable word for logs, conditions and `-o json`.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::DocumentTime { .. } | Self::LayerTime { .. } => "RegistryUnavailable",
            Self::Redirects { .. } | Self::LongerThanAnnounced { .. } => "RegistryError",
            Self::Path { .. } | Self::Headers { .. } | Self::Ratio { .. } => "InvalidImage",
            Self::Document { .. }
            | Self::Layers { .. }
            | Self::Download { .. }
            | Self::Unpacked { .. }
            | Self::Entries { .. }
            | Self::UnpackTime { .. } => "ImageTooLarge",
        }
    }
}

/// `count` in the largest unit that divides it.
fn bytes(count: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.iter().find(|(shift, _)| count != 0 && count.trailing_zeros() >= *shift);
    whole.map_or_else(
        || format!("{count} bytes"),
        |(shift, unit)| format!("{} {unit}", count >> shift),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_in_the_unit_that_it_was_set_in() {
        for (count, text) in [
            (8 << 20, "8 MiB"),
            (64 << 30, "64 GiB"),
            (3 << 10, "3 KiB"),
            (1000, "1000 bytes"),
            (0, "0 bytes"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}

//! Errors of patches.

/// Why a patch cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Malformed, whatever the document.
    #[error("error decoding patch: {what}")]
    Malformed { what: String },
    /// A JSON patch whose test or path fails on this document.
    #[error("{source}")]
    Inapplicable {
        #[source]
        source: json_patch::PatchError,
    },
    /// A list item of a strategic merge patch without the field that identifies it.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey { item: String, key: String },
    /// A `$patch` directive that does not exist.
    #[error("unknown patch type {directive:?}: only delete, merge and replace are known")]
    Directive { directive: String },
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {got}")]
    TooManyOperations { limit: usize, got: usize },
    /// The copies of a JSON patch add too many bytes together.
    #[error(
        "Unable to complete the copy, the accumulated size increase of copy is {size}, exceeding the limit {limit}"
    )]
    TooMuchCopied { limit: usize, size: usize },
    #[error("the patch makes a value that is more than {limit} levels deep")]
    TooDeep { limit: usize },
    #[error("the patch compares or moves more than {limit} values")]
    TooMuchWork { limit: u64 },
    /// A part of the patch has the wrong type.
    #[error("unable to merge {path}: expected {want}")]
    Shape { path: String, want: &'static str },
}

impl Error {
    /// The HTTP status that the error becomes: 400 for a malformed patch, 413 for one
    /// that is too large, 422 for one that cannot be applied to the document.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. }
            | Self::NoMergeKey { .. }
            | Self::Directive { .. }
            | Self::Shape { .. } => 400,
            Self::TooManyOperations { .. } | Self::TooMuchWork { .. } => 413,
            Self::Inapplicable { .. } | Self::TooMuchCopied { .. } | Self::TooDeep { .. } => 422,
        }
    }
}

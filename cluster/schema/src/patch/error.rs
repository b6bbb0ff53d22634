//! Why a patch cannot be applied.

/// Why a patch cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Malformed by itself, whatever the document.
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
    /// A list, set or object meets something else.
    #[error("unable to merge {path}: expected {want}")]
    Shape { path: String, want: &'static str },
}

impl Error {
    /// The HTTP status that the error becomes: 400 for a malformed patch, 422 for one that does not fit the document.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. }
            | Self::NoMergeKey { .. }
            | Self::Directive { .. }
            | Self::Shape { .. } => 400,
            Self::Inapplicable { .. } => 422,
        }
    }
}
